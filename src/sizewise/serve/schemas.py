"""What clients send. Answers are written by the routes: they hold vectors, which JSON libraries need no model for."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from sizewise.core.candidate import Role
from sizewise.serve.space import Encoding, Kind

Item = TypeVar("Item")
Several = Annotated[list[Item], Field(fail_fast=True, max_length=100_000)]
"""Told of the first item that is wrong, and not of a million."""
TokenId = Annotated[int, Field(ge=0, le=2**31 - 1)]
TokenIds = Annotated[list[TokenId], Field(fail_fast=True, min_length=1, max_length=100_000)]
Query = Annotated[str, Field(min_length=1, max_length=1_000_000)]
Name = Annotated[str, Field(max_length=512)]

ROLE_OF: dict[str | None, Role] = {
    None: "text",
    "query": "query",
    "search_query": "query",
    "retrieval.query": "query",
    "document": "document",
    "passage": "document",
    "search_document": "document",
    "retrieval.passage": "document",
    "text": "text",
    "classification": "text",
    "clustering": "text",
    "separation": "text",
    "text-matching": "text",
}
"""By what Cohere, Jina and Voyage call it."""
InputType = Literal[
    "query", "search_query", "retrieval.query", "document", "passage", "search_document", "retrieval.passage",
    "text", "classification", "clustering", "separation", "text-matching",
]  # fmt: skip


class Body(BaseModel):
    """Fields that a server does not know are left alone, as elsewhere."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class EmbeddingsRequest(Body):
    """OpenAI's, and what Jina, Voyage and Cohere have beside it."""

    input: str | Several[str] | TokenIds | Several[TokenIds] = Field(
        description="A text, texts, or token ids of the model's own tokenizer.",
        examples=["Where is my parcel?", ["Where is my parcel?", "Can I pay by card?"]],
    )
    model: Name | None = Field(
        None, description="A name of `GET /v1/models`; the server's first bundle if left out.", examples=["bundle"]
    )
    encoding_format: Encoding | None = Field("float", description="`base64`: the bytes of each vector, little-endian.")
    dimensions: int | None = Field(
        None, ge=1, description="Fewer, cut and scaled to length one again; only as measured."
    )
    user: str | None = Field(None, description="Not looked at.")
    input_type: InputType | None = Field(None, description="Which of the model's prompts stands before the texts.")
    output_dtype: Kind | None = Field(
        "float", description="`int8`, `binary` or `ubinary` where the bundle was measured so."
    )
    truncation: bool | None = Field(True, description="False: a text beyond the model's limit is an error.")

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "bundle", "input": ["Where is my parcel?", "Can I pay by card?"]}]}
    )


class RerankRequest(Body):
    """Cohere's and Jina's."""

    query: Query = Field(examples=["How do I pay?"])
    documents: Several[str | dict[str, Any]] = Field(
        description="Texts, or objects with a `text`.", examples=[["By card.", "The parcel is late."]]
    )
    model: Name | None = Field(None, description="A name of `GET /v1/models`; the server's first bundle if left out.")
    top_n: int | None = Field(None, ge=1, description="So many of the best.")
    return_documents: bool | None = False
    raw_scores: bool | None = Field(False, description="A cross-encoder's own numbers, not between 0 and 1.")

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "How do I pay?", "documents": ["By card.", "The parcel is late."]}]}
    )


class TeiEmbedRequest(Body):
    """TEI's `/embed`."""

    inputs: str | TokenIds | Several[str | TokenIds] = Field(
        description="A text, texts, or token ids.", examples=["Where is my parcel?"]
    )
    truncate: bool | None = Field(None, description="False: a text beyond the model's limit is an error.")
    truncation_direction: Literal["Right", "right"] = Field("Right", description="Ends are cut off, never beginnings.")
    prompt_name: InputType | None = Field(None, description="`query` or `document`: which prompt stands before.")
    normalize: bool | None = True
    dimensions: int | None = Field(None, ge=1)

    model_config = ConfigDict(json_schema_extra={"examples": [{"inputs": "Where is my parcel?"}]})


class TeiRerankRequest(Body):
    """TEI's `/rerank`."""

    query: Query = Field(examples=["How do I pay?"])
    texts: Several[str] = Field(examples=[["By card.", "The parcel is late."]])
    truncate: bool | None = None
    truncation_direction: Literal["Right", "right"] = "Right"
    raw_scores: bool | None = False
    return_text: bool | None = False

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "How do I pay?", "texts": ["By card.", "The parcel is late."]}]}
    )


class SearchRequest(Body):
    """A search of an index."""

    query: Query = Field(examples=["my heating stays cold"])
    model: Name | None = Field(None, description="A name of `GET /v1/models`; the first one with an index if left out.")
    top_k: int = Field(10, ge=1, description="Documents, at most.")
    filter: dict[str, Any] | None = Field(
        None,
        description="Conditions on fields, all of which must hold: a value, a list of values, or bounds as in "
        '`{"year": {">=": 2020}}`.',
        examples=[{"lang": "en"}],
    )

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "my heating stays cold", "top_k": 3}]})
