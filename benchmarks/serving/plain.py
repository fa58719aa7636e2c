"""What everybody writes first: sentence-transformers behind plain FastAPI. `python plain.py PORT MODEL DEVICE`."""

import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer

from sizewise.core.candidate import Model
from sizewise.encode.resolve import resolve

app = FastAPI()
model = SentenceTransformer(str(resolve(Model(sys.argv[2])).folder.path), device=sys.argv[3])


class Asked(BaseModel):
    input: list[str]
    model: str = ""


@app.post("/v1/embeddings")
def embeddings(asked: Asked):
    vectors = model.encode(asked.input).tolist()
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    return {"object": "list", "data": data, "model": asked.model}


@app.get("/readyz")
def ready():
    return {}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
