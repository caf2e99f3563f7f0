"""Penn Treebank with brackets."""

from __future__ import annotations

from pathlib import Path

import pytest

from anysize.core.errors import DataError
from anysize.readers.text import Text
from anysize.sources import open_source
from anysize.sources.treebank import TreeText
from anysize.tasks.text_generation import TextGeneration

TREES = """
( (S
    (NP-SBJ (DT The) (NN cat) )
    (VP (VBD sat)
      (NP (-NONE- *T*-1) )
      (PP (-LRB- -LRB-) (IN on) (-RRB- -RRB-) ))
    (. .) ))
( (S (NP (NNP 北京)) (VP (VBZ is) (ADJP (JJ far))) ))
"""
SAID = "The cat sat -LRB- on -RRB- .\n北京 is far\n"


class Cut:
    """A text in pieces of one size."""

    def __init__(self, text: str, size: int) -> None:
        self.origin, self.size_hint = "trees", len(text)
        self._pieces = [text[at : at + size] for at in range(0, len(text), size)]

    def chunks(self) -> object:
        return iter(self._pieces)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_words_are_read_wherever_pieces_end(size: int) -> None:
    text = TreeText(Cut(TREES, size))  # type: ignore[arg-type]
    assert "".join(text.chunks()) == SAID
    assert text.read(4, 11) == SAID[4:11] and text.read(50, 90) == SAID[50:]


def test_a_file_is_a_text_for_language_models(tmp_path: Path) -> None:
    path = tmp_path / "wsj_0001.mrg"
    path.write_text(TREES * 100, encoding="utf-8")
    source = open_source(path, roles=TextGeneration().columns)
    texts = ["".join(source[index].text("text").chunks()) for index in range(len(source))]
    assert len(texts) > 1 and "".join(texts) == SAID * 100


@pytest.mark.parametrize("text", ["(S (NN a)", "(S (NN a))) (", "a)"])
def test_brackets_that_do_not_match_are_named(text: str) -> None:
    with pytest.raises(DataError, match="not a file of trees"):
        list(TreeText(Text(text)).chunks())
