"""A ladder of public models, small to large, for users who are online: `candidates = "ladder"`."""

LADDER = (
    "all-MiniLM-L6-v2",
    "sentence-transformers/all-MiniLM-L12-v2",
    'intfloat/e5-small-v2[query="query: ",document="passage: ",text="query: "]',
    "BAAI/bge-small-en-v1.5",
    'intfloat/e5-base-v2[query="query: ",document="passage: ",text="query: "]',
    "BAAI/bge-base-en-v1.5",
    "sentence-transformers/all-mpnet-base-v2",
    'intfloat/e5-large-v2[query="query: ",document="passage: ",text="query: "]',
    "BAAI/bge-large-en-v1.5",
)
"""In order of size: 23M to 335M parameters. All publish safetensors and need no code of their own."""
