"""The pieces of a text have the tokens of the whole text, for every kind of tokenizer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from evenly.embedding.offline import packaged_minilm
from evenly.embedding.pieces import LONG, cutter_of, in_pieces
from evenly.embedding.sentence_transformer import SentenceTransformerEncoder
from evenly.embedding.static import StaticEncoder, static_files
from evenly.embedding.tokens import count_tokens, load_tokenizer

CORPUS = [
    "the quick brown fox's 12 foxes",
    "Hello, world! 日本語。 naïve café",
    "a\n b\t\tc  d   e",
] * 5
SPECIAL = ["[UNK]", "[SEP]", "<s>", "</s>"]

# What has led tokenizers to look across a boundary: runs of white space, marks that combine with
# the character before, case that depends on the end of the word, added tokens and parts of them.
PARTS = [
    *("the", "quick", "fox", "'s", "12", "é", "e\u0301", "\u0301", "Σ", "ΑΣ", "İ", "ﬁ", "ﷺ"),
    *(" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "\u200b", "\x00", "\x1c", "\u0085"),
    *(
        ".",
        ",",
        "!?",
        "'",
        "[",
        "]",
        "<",
        ">",
        "▁",
        "#",
        "##",
        "日本",
        "語。",
        "한국어",
        "กำ",
        "🎉",
    ),
    *("x" * 120, "9" * 101, "y" * 100, *SPECIAL, "[UN", "K]", "</", "s>"),
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=40).map("".join)


def trained(model, normalizer, splitter, trainer, *, special=("[UNK]",)):
    tokenizer = Tokenizer(model)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if splitter is not None:
        tokenizer.pre_tokenizer = splitter
    tokenizer.train_from_iterator(CORPUS, trainer(special_tokens=list(special), vocab_size=300))
    return tokenizer


def bert(**options):
    return trained(
        models.WordPiece(unk_token="[UNK]"),
        normalizers.BertNormalizer(**options),
        pre_tokenizers.BertPreTokenizer(),
        trainers.WordPieceTrainer,
        special=("[UNK]", "[SEP]"),
    )


def gpt(normalizer=None, **options):
    return trained(
        models.BPE(),
        normalizer,
        pre_tokenizers.ByteLevel(**options),
        trainers.BpeTrainer,
        special=["<s>"],
    )


def metaspace(*before):
    last = pre_tokenizers.Metaspace(prepend_scheme="always")
    collapse = normalizers.Replace(Regex(" {2,}"), " ")
    return trained(
        models.Unigram(),
        normalizers.Sequence([normalizers.NFKC(), collapse]),
        pre_tokenizers.Sequence([*before, last]) if before else last,
        lambda **options: trainers.UnigramTrainer(unk_token="<s>", **options),
        special=["<s>"],
    )


def llama():
    tokens = {"<unk>": 0, **{f"<0x{byte:02X}>": byte + 1 for byte in range(256)}}
    merges = []
    for word in ["▁▁", "▁the", "▁quick", "▁fox", "fox", "12", "he", "ox", "▁▁▁▁"]:
        for character in word:
            tokens.setdefault(character, len(tokens))
        left = word[0]
        for character in word[1:]:
            if left + character not in tokens:
                merges.append((left, character))
                tokens[left + character] = len(tokens)
            left += character
    model = models.BPE(tokens, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    steps = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return tokenizer


CUT = {
    "bert": bert(),
    "bert that keeps case, accents and Chinese": bert(
        lowercase=False, strip_accents=False, handle_chinese_chars=False
    ),
    "bert that keeps control characters": bert(clean_text=False),
    "gpt": gpt(),
    "gpt with a space before the text": gpt(add_prefix_space=True),
    "gpt with a normalizer": gpt(normalizers.NFC()),
    "metaspace": metaspace(),
    "metaspace between words": metaspace(pre_tokenizers.WhitespaceSplit()),
    "llama": llama(),
}


def ids(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("kind", CUT)
@settings(max_examples=100)
@given(text=TEXTS, size=st.integers(1, 20))
def test_the_pieces_have_the_tokens_of_the_text(kind, text, size):
    tokenizer = CUT[kind]
    pieces = list(cutter_of(tokenizer).pieces(text, size))

    assert [one for piece in pieces for one in ids(tokenizer, piece)] == ids(tokenizer, text)


@pytest.mark.parametrize("kind", CUT)
def test_a_long_text_is_cut(kind):
    pieces = list(cutter_of(CUT[kind]).pieces("the quick fox " * 20, 10))

    assert len(pieces) > 10
    assert max(map(len, pieces)) < 30


@pytest.mark.model
@settings(max_examples=100)
@given(text=TEXTS, size=st.integers(1, 20))
def test_the_pieces_of_packaged_tokenizers(text, size):
    for tokenizer in packaged_tokenizers():
        pieces = list(cutter_of(tokenizer).pieces(text, size))
        found = [one for piece in pieces for one in ids(tokenizer, piece)]
        assert found == ids(tokenizer, text)


def packaged_tokenizers(loaded=[]):  # noqa: B006  # loaded once
    if not loaded:
        folder = packaged_minilm()
        assert folder is not None
        for path in (folder / "tokenizer.json", static_files()[1]):
            tokenizer = Tokenizer.from_file(str(path))
            tokenizer.no_truncation()
            tokenizer.no_padding()
            loaded.append(tokenizer)
    return loaded


def uncertain():
    """Yield tokenizers of which nothing can be proven, with the reason."""
    split = gpt()
    split.pre_tokenizer = pre_tokenizers.Split(Regex("x+"), "isolated")
    yield "splits by a pattern of its own", split
    added = gpt()
    added.add_tokens([AddedToken("two words")])
    yield "an added token has a space", added
    greedy = gpt()
    greedy.add_tokens([AddedToken("<x>", rstrip=True)])
    yield "an added token takes in the space after it", greedy
    dropping = gpt()
    dropping.model = models.BPE(dropout=0.5)
    yield "tokens are random", dropping
    normalising = gpt(normalizers.Replace("a", "b"))
    yield "an unknown normalizer", normalising
    across = llama()
    across.model = models.BPE({"▁": 0, "a": 1, "a▁": 2}, [("a", "▁")])
    yield "a token goes on after a space", across
    decoder_only = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    decoder_only.decoder = decoders.WordPiece()
    yield "no splitting at all", decoder_only


@pytest.mark.parametrize(("why", "tokenizer"), list(uncertain()))
def test_a_tokenizer_of_which_nothing_is_certain_gets_whole_texts(why, tokenizer):
    assert cutter_of(tokenizer) is None, why


def test_an_added_token_is_not_cut():
    tokenizer = bert()
    tokenizer.add_tokens([AddedToken("c. d", normalized=True), AddedToken("日本")])
    text = "a. b, c. d 日本 " * 20

    pieces = list(cutter_of(tokenizer).pieces(text, 1))

    assert len(pieces) > 20
    assert [one for piece in pieces for one in ids(tokenizer, piece)] == ids(tokenizer, text)


def test_pieces_are_gathered_to_groups_of_limited_size():
    cutter = cutter_of(CUT["gpt"])
    texts = ["a b " * 20_000] * 40 + ["short"] * 3

    groups = list(in_pieces(texts, lambda: cutter))

    assert all(sum(len(piece) for _, piece in group) <= 1 << 20 for group in groups)
    assert [number for group in groups for number, _ in group][-3:] == [40, 41, 42]
    joined = [""] * len(texts)
    for group in groups:
        for number, piece in group:
            joined[number] += piece
    assert joined == texts


LONG_TEXTS = ["the quick fox's 12 " * (LONG // 8), "short"]


@pytest.mark.parametrize("kind", CUT)
def test_tokens_of_long_texts_are_counted(kind):
    tokenizer = CUT[kind]

    found = count_tokens(LONG_TEXTS, load_tokenizer(tokenizer), total=len(LONG_TEXTS))

    assert found.tolist() == [len(ids(tokenizer, text)) for text in LONG_TEXTS]


@pytest.mark.model
def test_the_static_vectors_of_long_texts_are_those_of_the_whole_texts():
    from safetensors.numpy import load_file

    weights, file = static_files()
    table, tokenizer = load_file(weights)["embedding.weight"], packaged_tokenizers()[1]
    expected = [
        table[ids(tokenizer, text)].astype(np.float32).sum(axis=0)
        / np.float32(len(ids(tokenizer, text)))
        for text in LONG_TEXTS
    ]

    np.testing.assert_array_equal(StaticEncoder(weights, file).encode(LONG_TEXTS), expected)


class Recorder:
    """A SentenceTransformer that records the texts it is given."""

    def __init__(self, tokenizer, side="right"):
        from transformers import PreTrainedTokenizerFast

        self.tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, truncation_side=side)
        self.max_seq_length = 16
        self.seen = []

    def encode(self, texts, **options):
        self.seen += texts
        return np.ones((len(texts), 2))


@pytest.mark.parametrize("kind", CUT)
def test_a_model_with_a_window_gets_the_beginning_of_a_long_text(kind):
    tokenizer, model = CUT[kind], Recorder(CUT[kind])
    encoder = SentenceTransformerEncoder(lambda: model, name="recorder")

    encoder.encode(LONG_TEXTS)

    cut, short = model.seen
    assert LONG < len(cut) < LONG + 20
    assert ids(tokenizer, cut)[:300] == ids(tokenizer, LONG_TEXTS[0])[:300]
    assert short == "short"
    assert encoder.truncated(LONG_TEXTS).tolist() == [True, False]


def test_words_and_white_space_without_end_are_shortened_for_a_model():
    tokenizer, model = CUT["bert"], Recorder(CUT["bert"])
    encoder = SentenceTransformerEncoder(lambda: model, name="recorder")
    texts = ["x" * (2 * LONG), "the" + " \n" * LONG + "fox " * LONG, "fox " + "x" * LONG + " the"]

    encoder.encode(texts)

    assert max(map(len, model.seen)) < LONG + 20
    for text, seen in zip(texts, model.seen, strict=True):
        assert ids(tokenizer, seen)[:300] == ids(tokenizer, text)[:300]
    assert encoder.truncated(texts).tolist() == [False, True, False]


def test_a_model_that_reads_the_end_gets_whole_texts():
    model = Recorder(CUT["bert"], side="left")

    SentenceTransformerEncoder(lambda: model, name="recorder").encode(LONG_TEXTS)

    assert model.seen == LONG_TEXTS
