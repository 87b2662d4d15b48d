"""Tokens: windows that score each token once, from texts, files and arrays."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eigenscape.errors import InputError
from eigenscape.models import Tokens
from tests._data import data_file


def letters(text):
    return [ord(letter) for letter in text]


@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    length=st.integers(2, 12),
    stride=st.integers(1, 12) | st.none(),
)
def test_each_token_is_scored_once(counts, length, stride):
    if max(counts) < length or (stride or 1) > length:
        with pytest.raises(InputError):
            Tokens.of([torch.arange(max(counts))], length=length, stride=stride)
        return
    documents = [torch.arange(n) + 1000 * k for k, n in enumerate(counts)]
    tokens = Tokens.of(documents, length=length, stride=stride)
    scored = [int(i) for ids, mask in tokens for i in ids[mask]]
    seen = {int(i) for ids, _ in tokens for i in ids}
    assert len(scored) == len(set(scored)) == tokens.count
    assert not any(bool(mask[0]) for _, mask in tokens)
    everything = {int(i) for ids in documents for i in ids[1:]}
    if stride == length:  # the first of each window is not scored
        firsts = {int(ids[0]) for ids, _ in tokens}
        assert everything - set(scored) <= firsts
    else:
        assert set(scored) == everything
    long = {int(i) for ids in documents if len(ids) > 1 for i in ids}
    assert seen == long
    for ids, _ in tokens:
        assert torch.equal(ids, torch.arange(int(ids[0]), int(ids[0]) + len(ids)))
        assert len(ids) <= length


def test_windows_overlap_by_the_stride_and_end_with_the_text():
    tokens = Tokens.of(torch.arange(11), length=5, stride=2)
    assert [(ids.tolist(), ids[mask].tolist()) for ids, mask in tokens] == [
        ([0, 1, 2, 3, 4], [1, 2, 3, 4]),
        ([2, 3, 4, 5, 6], [5, 6]),
        ([4, 5, 6, 7, 8], [7, 8]),
        ([6, 7, 8, 9, 10], [9, 10]),
    ]
    blocks = Tokens.of(torch.arange(11), length=4, stride=4)
    assert [ids[mask].tolist() for ids, mask in blocks] == [[1, 2, 3], [5, 6, 7], [8, 9, 10]]


def test_batches_hold_windows_of_one_length():
    tokens = Tokens.of([torch.arange(9), torch.arange(3), torch.arange(3)], length=4)
    shapes = [tuple(ids.shape) for ids, _ in tokens.batches(2)]
    assert shapes == [(2, 4), (1, 4), (2, 3)]
    assert sum(int(mask.sum()) for _, mask in tokens.batches(2)) == tokens.count
    with pytest.raises(InputError, match="size=0"):
        tokens.batches(0)


def test_the_same_ids_have_the_same_hash_and_no_others():
    ids = torch.arange(20)
    one = Tokens.of(ids, length=5)
    assert one.hash == Tokens.of(ids.numpy().astype(np.int16), length=5).hash
    assert one.hash != Tokens.of(ids, length=6).hash
    assert one.hash != Tokens.of(ids + 1, length=5).hash
    assert one.hash != one.take(2).hash
    assert one.take(3, seed=1).hash == one.take(3, seed=1).hash
    assert len({one.take(2, seed=s).hash for s in range(8)}) > 1
    with pytest.raises(InputError, match="expected 1 to 5"):
        one.take(6)


def test_texts_files_lines_and_arrays(tmp_path):
    (tmp_path / "t.txt").write_text("hello world")
    (tmp_path / "t.jsonl").write_text('{"text": "abc"}\n\n{"text": [7, 8, 9]}\n')
    np.save(tmp_path / "t.npy", np.arange(12, dtype=np.uint16).reshape(3, 4))
    text = Tokens.of("hello world", letters)
    assert text.documents[0].tolist() == letters("hello world")
    for path in (tmp_path / "t.txt", str(tmp_path / "t.txt")):
        assert Tokens.of(path, letters).hash == text.hash
    lines = Tokens.of(tmp_path / "t.jsonl", letters)
    assert [ids.tolist() for ids in lines.documents] == [[97, 98, 99], [7, 8, 9]]
    assert len(Tokens.of(tmp_path / "t.npy")) == 3
    assert Tokens.of(["ab", "cd"], letters).count == 2
    assert Tokens.of([5, 6, 7]).documents[0].tolist() == [5, 6, 7]
    assert Tokens.of("no such file here.txt is a text", letters).count == 30


class WithEncode:
    def encode(self, text):
        return [1, 2, 3]


def test_tokenizers_of_several_kinds():
    assert Tokens.of("x", WithEncode()).count == 2
    with pytest.raises(InputError, match="the tokenizer is a int"):
        Tokens.of("x y", 5)
    with pytest.raises(InputError, match="tokenizer"):
        Tokens.of("x y", lambda text: [0.5, 1.5])


def test_the_tokenizer_of_gpt2():
    pytest.importorskip("tokenizers")
    tokens = Tokens.of("Hello world, this is GPT-2.", data_file("gpt2_tokenizer"))
    assert tokens.documents[0].tolist() == [15496, 995, 11, 428, 318, 402, 11571, 12, 17, 13]


def bad(tmp_path):
    """Sources that cannot be read, and a piece of the sentence that says so."""
    files = {
        "empty.txt": b" \n",
        "latin.txt": b"caf\xe9",
        "one.jsonl": b'{"text": "a b"}\n{"text": ',
        "field.jsonl": b'{"body": "ab"}',
        "list.jsonl": b"[1, 2]",
        "value.jsonl": b'{"text": 3}',
        "deep.jsonl": b"[" * 100_000,
        "float.npy": b"",
        "half.npy": b"\x93NUMPY\x01\x00\xff\xff",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "float.npy", np.ones(3))
    np.save(tmp_path / "object.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    yield tmp_path / "none.txt", "cannot read"
    yield tmp_path / "empty.txt", "is empty"
    yield tmp_path / "latin.txt", "byte 3"
    yield tmp_path / "one.jsonl", "line 2 of"
    yield tmp_path / "field.jsonl", "keys body; expected an object with 'text'"
    yield tmp_path / "list.jsonl", "line 1 of"
    yield tmp_path / "value.jsonl", "is a int"
    yield tmp_path / "deep.jsonl", "line 1 of"
    yield tmp_path / "float.npy", "float64; expected whole numbers"
    yield tmp_path / "half.npy", "cannot be read as an array"
    yield tmp_path / "object.npy", "cannot be read as an array"
    yield torch.ones(3, 3, 3, dtype=torch.int64), "shape (3, 3, 3)"
    yield torch.ones(0, dtype=torch.int64), "shape (0,)"
    yield np.array([1, -2, 3]), "id -2"
    yield torch.ones(4), "float32"
    yield [torch.ones(2, 2, dtype=torch.int64)], "shape (2, 2)"
    yield [], "not empty"
    yield None, "NoneType"
    yield "a", "nothing to score"


def test_what_cannot_be_read_is_refused_with_a_sentence(tmp_path):
    for source, words in bad(tmp_path):
        with pytest.raises(InputError) as error:
            Tokens.of(source, letters)
        assert words in str(error.value), source


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"length": 1}, "length is 1"),
        ({"length": 4, "stride": 5}, "stride is 5"),
        ({"length": 4, "stride": 0}, "stride is 0"),
        ({"stride": 3}, "without a length"),
        ({"length": 50}, "has 10 tokens; a window takes length=50. Try: length=10"),
    ],
)
def test_windows_that_cannot_be_are_refused(options, words):
    with pytest.raises(InputError) as error:
        Tokens.of(torch.arange(10), **options)
    assert words in str(error.value)


def test_a_text_needs_a_tokenizer():
    with pytest.raises(InputError, match="there is no tokenizer"):
        Tokens.of("some text")


def test_a_broken_tokenizer_is_refused(tmp_path):
    pytest.importorskip("tokenizers")
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": None}))
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(InputError, match="tokenizer"):
            Tokens.of("some text", path)
