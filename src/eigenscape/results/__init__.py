"""Results: what every package returns, and how it is saved."""

from eigenscape.results._codec import decode as decode
from eigenscape.results._codec import encode as encode
from eigenscape.results._environment import Environment as Environment
from eigenscape.results._files import byte_words as byte_words
from eigenscape.results._files import replacing as replacing
from eigenscape.results._files import write_text as write_text
from eigenscape.results._finding import BASES as BASES
from eigenscape.results._finding import Finding as Finding
from eigenscape.results._hash import ContentHash as ContentHash
from eigenscape.results._hash import address as address
from eigenscape.results._hash import canonical as canonical
from eigenscape.results._hash import content_hash as content_hash
from eigenscape.results._json import dumps as dumps
from eigenscape.results._json import read_object as read_object
from eigenscape.results._pictures import PALETTE as PALETTE
from eigenscape.results._pictures import label_text as label_text
from eigenscape.results._pictures import new_figure as new_figure
from eigenscape.results._pictures import picture_of as picture_of
from eigenscape.results._printable import printable as printable
from eigenscape.results._result import Result as Result
from eigenscape.results._result import load as load
from eigenscape.results._rows import find_row as find_row
from eigenscape.results._words import as_argument as as_argument
from eigenscape.results._words import counted as counted
from eigenscape.results._words import is_file_name as is_file_name
from eigenscape.results._words import named as named
from eigenscape.results._words import rounded as rounded

__all__ = [
    "BASES",
    "PALETTE",
    "ContentHash",
    "Environment",
    "Finding",
    "Result",
    "address",
    "as_argument",
    "byte_words",
    "canonical",
    "content_hash",
    "counted",
    "decode",
    "dumps",
    "encode",
    "find_row",
    "is_file_name",
    "label_text",
    "load",
    "named",
    "new_figure",
    "picture_of",
    "printable",
    "read_object",
    "replacing",
    "rounded",
    "write_text",
]
