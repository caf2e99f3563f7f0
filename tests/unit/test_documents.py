"""Documents as text: what is read, where it lies, and what is said of the rest."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from tests.documents import HUGE, SCANNED, paragraph, write_docx, write_epub, write_pdf

from anysize.core.errors import DataError, MissingExtraError
from anysize.core.findings import Findings
from anysize.core.places import located
from anysize.core.receipts import Receipt
from anysize.core.results import Result
from anysize.readers.documents import format_of, pdf, suffixes, zipped
from anysize.readers.documents.text import DocumentText
from anysize.sources import ColumnSpec, open_source

pytest.importorskip("lxml")
pytest.importorskip("pypdf")


def read(path: Path) -> tuple[str, DocumentText]:
    document = DocumentText(path)
    return "".join(document.chunks()), document


def html(folder: Path, content: str | bytes, encoding: str = "utf-8") -> tuple[str, DocumentText]:
    path = folder / "page.html"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return read(path)


def place(document: DocumentText, text: str, words: str) -> dict[str, object]:
    at = text.index(words)
    return document.place(at, at + len(words))


def test_each_suffix_is_one_module() -> None:
    assert {".pdf", ".docx", ".html", ".htm", ".epub", ".md"} <= suffixes()
    assert format_of(Path("a/B.PDF")) is pdf
    assert format_of(Path("a.txt")) is None


# --- PDF


def test_pdf_characters_know_their_page(tmp_path: Path) -> None:
    pages = [f"Page {number} begins.\nIts word is w{number}." for number in range(1, 13)]
    path = write_pdf(tmp_path / "book.pdf", pages)
    text, document = read(path)
    assert text == "\n\n".join(pages)
    for number in range(1, 13):
        assert place(document, text, f"w{number}.") == {"page": number}
    start = text.index("w6.")
    assert document.place(start, text.index("w8.")) == {"page": 6, "last_page": 8}
    assert document.counts() == {"pages": 12, "pages_read": 12}
    assert document.notes() == ()
    assert document.read(start, start + 3) == "w6."


def test_pdf_text_is_kept_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_pdf(tmp_path / "book.pdf", ["first state", SCANNED])
    text, document = read(path)
    with monkeypatch.context() as patch:
        patch.setattr(pdf, "parts", lambda path, encoding: pytest.fail("read again"))
        again, other = read(path)
        assert again == text
        assert (other.notes(), other.counts()) == (document.notes(), document.counts())
        assert other.place(0, 5) == {"page": 1}
    write_pdf(path, ["second state"])
    assert read(path)[0] == "second state"


def test_pdf_pages_that_are_pictures_are_named(tmp_path: Path) -> None:
    _, document = read(write_pdf(tmp_path / "a.pdf", ["text", SCANNED, "", SCANNED]))
    assert document.counts() == {"pages": 4, "pages_read": 2, "pages_without_text": 2}
    (note,) = document.notes()
    assert "2 pages (2, 4) of 4 were not read" in note
    assert "ocrmypdf" in note
    with pytest.raises(DataError, match=r"no text on its 2 pages.*scanned"):
        read(write_pdf(tmp_path / "b.pdf", [SCANNED, SCANNED]))


def test_pdf_page_above_the_memory_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pypdf#2790, pypdf#3167: one page takes gigabytes, and the program that reads it ends.
    monkeypatch.setattr(pdf, "MEMORY", 200 << 20)
    text, document = read(write_pdf(tmp_path / "a.pdf", ["before", HUGE, "after"]))
    assert text == "before\n\nafter"
    assert document.place(8, 9) == {"page": 3}
    (note,) = document.notes()
    assert "1 page (2) of 3 could not be read" in note
    assert document.counts()["pages_read"] == 2


def test_pdf_page_that_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import json, sys, time\n"
        "print(json.dumps({'pages': 4}), flush=True)\n"
        "for page in range(int(sys.argv[2]), 5):\n"
        "    if page == 2: time.sleep(60)\n"
        "    if page == 3: sys.exit(9)\n"
        "    print(json.dumps({'page': page, 'text': f'p{page}'}), flush=True)\n"
    )
    monkeypatch.setattr(pdf, "WORKER", worker)
    monkeypatch.setattr(pdf, "PATIENCE", 2.0)
    text, document = read(write_pdf(tmp_path / "a.pdf", ["x"]))
    assert text == "p1\n\np4"
    (note,) = document.notes()
    assert "2 pages (2, 3) of 4 could not be read" in note


def test_pdf_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    for empty in (path, tmp_path / "a.docx"):
        empty.touch()
        with pytest.raises(DataError, match="is empty: it has no bytes"):
            read(empty)
    path.write_bytes(b"PK\3\4 no PDF")
    with pytest.raises(DataError, match="is not a PDF"):
        read(path)
    path.write_bytes(b"%PDF-1.7\n" + b"damage " * 50)
    with pytest.raises(DataError, match="damaged"):
        read(path)
    write_pdf(path, ["secret"], password="pass")
    with pytest.raises(DataError, match=r"encrypted and needs a password.*qpdf"):
        read(path)


# --- HTML


def test_html_reads_as_it_is_seen(tmp_path: Path) -> None:
    text, document = html(
        tmp_path,
        "<html><head><title>Ti&amp;tle</title><style>p {color: red}</style>"
        "<script>document.write('<p>run</p>')</script></head><body><!-- no -->"
        "<h1>One</h1><p>Some  <b>bold</b>\n words.<br>New line.</p><ul><li>a<li>b</ul>"
        "<h2>Two <i>more</i></h2><table><tr><td>1</td><td>2</td></tr><tr><td>3</table>"
        "<pre>  kept\n   as is</pre>中文&#x3000;字</body></html>",
    )
    assert text == (
        "Ti&tle\n\nOne\n\nSome bold words.\nNew line.\n\na\nb\n\nTwo more\n\n1\t2\n3\n\n"
        "  kept\n   as is\n\n中文\u3000字"
    )
    assert place(document, text, "bold") == {"section": "One"}
    assert place(document, text, "Two") == {"section": "Two more"}
    assert document.place(0, 3) == {}
    assert document.notes() == ("not part of the text and left out: 1 scripts, 1 styles",)


def test_html_in_pieces_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from anysize.readers.documents import html as module
    from anysize.readers.documents import markup

    content = "<title>文</title>" + "".join(
        f"<h2>节 {n}</h2><p>words <a href='x'>of {n}</a> é<script>if (a < b) {{}}</script>"
        f"<!-- <p>no {n} --> more</p><pre>a\n  {n}\nb</pre>"
        for n in range(60)
    )
    whole, document = html(tmp_path, content)
    assert "no 5" not in whole and "  5\nb" in whole
    monkeypatch.setattr(module, "PIECE", 37)
    monkeypatch.setattr(markup, "FED", 100)
    pieces, other = read(tmp_path / "page.html")
    assert pieces == whole
    assert [place(other, whole, f"of {n}") for n in range(60)] == [
        {"section": f"节 {n}"} for n in range(60)
    ]
    assert other.notes() == document.notes()


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="gb2312">', "gb18030"),
        ('<?xml version="1.0" encoding="big5"?>', "big5"),
        ("<meta charset=iso-8859-1>", "cp1252"),
        ("", "utf-16"),
        ("", "utf-8-sig"),
        ("", "utf-8"),
    ],
)
def test_html_encodings(tmp_path: Path, head: str, encoding: str) -> None:
    words = "“quoted” é" if encoding == "cp1252" else "長文檔的內容很重要" * 3
    text, document = html(tmp_path, f"{head}<p>{words}</p>", encoding)
    assert text == words
    assert document.notes() == ()


def test_html_that_does_not_decode_is_counted(tmp_path: Path) -> None:
    text, document = html(tmp_path, b"<meta charset=utf-8><p>a \xff b \xfe c</p>")
    assert text == "a \ufffd b \ufffd c"
    assert "2 characters could not be decoded as utf-8" in document.notes()[0]


def test_html_depth_and_entities_do_no_harm(tmp_path: Path) -> None:
    text, _ = html(tmp_path, "<div>" * 20_000 + "deep" + "</div>" * 20_000 + "<p>after</p>")
    assert text == "deep\n\nafter"
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    text, _ = html(
        tmp_path, f'<!DOCTYPE html [<!ENTITY e0 "x">{bomb}<!ENTITY f SYSTEM "/etc/passwd">]>'
        "<p>begin &e11; &f; end</p>",
    )  # fmt: skip
    assert "begin" in text and "root:" not in text and len(text) < 1000


# --- DOCX


def test_docx_paragraphs_tables_and_headings(tmp_path: Path) -> None:
    table = "<w:tbl><w:tr>{}</w:tr></w:tbl>".format(
        "".join(f"<w:tc>{paragraph(word)}</w:tc>" for word in ("left", "right"))
    )
    body = (
        paragraph("第一章", "1") + paragraph("Some words.") + table
        + "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        "<w:r><w:instrText>PAGE</w:instrText><w:t>a</w:t><w:tab/><w:t>b</w:t></w:r></w:p>"
        "<w:p><w:r><mc:AlternateContent><mc:Choice><w:t>box</w:t></mc:Choice><mc:Fallback>"
        "<w:t>box</w:t></mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )  # fmt: skip
    notes = (
        '<w:footnotes xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        f"<w:footnote>{paragraph('A footnote.')}</w:footnote></w:footnotes>"
    )
    path = write_docx(
        tmp_path / "a.docx", body, {"word/footnotes.xml": notes, "word/comments.xml": "<x/>"}
    )
    text, document = read(path)
    assert text == "第一章\nSome words.\nleft\nright\na\tb\nbox\nA footnote."
    assert place(document, text, "right") == {"section": "第一章"}
    assert place(document, text, "footnote") == {"section": "footnotes"}
    assert len(text) <= document.size_hint
    assert any("comments" in note for note in document.notes())
    assert any("1 stretches that were deleted" in note for note in document.notes())


def test_docx_bombs_and_damage_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.docx"
    monkeypatch.setattr(zipped, "BOMB", 1 << 16)
    write_docx(path, paragraph("x" * (1 << 20)))
    with pytest.raises(DataError, match="decompression bomb"):
        read(path)
    monkeypatch.undo()
    entities = '<!DOCTYPE w [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>'
    write_docx(path, "", {"word/document.xml": f"{entities}<w>&b;</w>"})
    with pytest.raises(DataError, match=r"document type|damaged"):
        read(path)
    write_docx(path, paragraph("some words"))
    content = bytearray(path.read_bytes())
    content[60:70] = b"0123456789"
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read(path)
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match="is no"):
        read(path)


# --- EPUB


def test_epub_reads_in_the_order_of_the_spine(tmp_path: Path) -> None:
    path = write_epub(
        tmp_path / "a.epub",
        {
            "b.xhtml": "<h1>Own heading</h1><p>second words</p>",
            "a.xhtml": "<p>first words</p><script>x</script>",
            "c.xhtml": "<p>third</p>",
            "unlisted.xhtml": "<p>cover</p>",
        },
        spine=["a.xhtml", "b.xhtml", "c.xhtml", "missing"],
        titles={"a.xhtml": "开端", "nowhere.xhtml": "x"},
    )
    text, document = read(path)
    assert text == "first words\n\nOwn heading\n\nsecond words\n\nthird"
    assert place(document, text, "first") == {"chapter": "开端"}
    assert place(document, text, "second") == {"chapter": "Own heading"}
    assert place(document, text, "third") == {"chapter": "3"}
    assert document.place(0, len(text)) == {"chapter": "开端", "last_chapter": "3"}
    assert document.counts() == {"chapters": 3}
    assert "1 of 4 entries of the spine are left out" in document.notes()[0]


def test_epub_under_rights_management_is_refused(tmp_path: Path) -> None:
    path = write_epub(
        tmp_path / "a.epub",
        {"a.xhtml": "<p>x</p>"},
        members={
            "META-INF/encryption.xml": "<encryption><CipherReference URI='OEBPS/a.xhtml'/>"
            "</encryption>"
        },
    )
    with pytest.raises(DataError, match="rights management"):
        read(path)


# --- Markdown


def test_markdown_keeps_its_characters(tmp_path: Path) -> None:
    content = (
        "# Title #\n\nwords\n```\n# no heading\n```\nSet\n===\nmore *words*\r\n## 第二节\n末尾\n"
        "a table\n\n---\nend"
    )
    path = tmp_path / "a.md"
    path.write_bytes(content.encode())
    text, document = read(path)
    assert text == content
    assert place(document, text, "no heading") == {"section": "Title"}
    assert place(document, text, "Set") == {"section": "Set"}
    assert place(document, text, "末尾") == {"section": "第二节"}
    assert place(document, text, "end") == {"section": "第二节"}


# --- as data


def test_a_folder_of_documents_is_read_as_texts(tmp_path: Path) -> None:
    write_pdf(tmp_path / "2.pdf", ["pdf"])
    write_docx(tmp_path / "10.docx", paragraph("docx"))
    (tmp_path / "README.md").write_text("about the data")
    (tmp_path / "1.txt").write_text("plain")
    (tmp_path / "3.html").write_text("<p>html</p>")
    findings = Findings()
    source = open_source(
        tmp_path, roles=(ColumnSpec(role="text", kind="text", names=("text",)),),
        findings=findings,
    )  # fmt: skip
    records = [source[index] for index in range(len(source))]
    assert [each.id for each in records] == ["1.txt", "2.pdf", "3.html", "10.docx"]
    found = ["".join(each.text("text").chunks()) for each in records]
    assert found == ["plain", "pdf", "html", "docx"]
    assert any("README.md" in finding.examples for finding in findings)


def test_characters_that_no_tokenizer_takes_are_replaced(tmp_path: Path) -> None:
    from anysize.readers.documents.text import Reading

    reading = Reading()
    assert list(reading.pieces(iter(["a\0b", "c\ud800", "de"]))) == ["a\ufffdb", "c\ufffd", "de"]
    assert "2 characters" in reading.all_notes()[0]


def test_results_say_where_their_stretches_lie() -> None:
    receipt = Receipt(
        extent=1, unit="tokens", windows=1, covered=1.0, dropped=0, merge="x", fidelity="exact"
    )
    result = Result(
        id="a",
        prediction=[{"start": 3, "end": 5, "label": "X"}],
        score=None,
        receipt=receipt,
        details={"best": {"passages": [{"start": 0, "end": 9, "page": "own"}]}, "vector": [0.1]},
    )
    assert located(result, None) is result
    found = located(result, lambda start, end: {"page": start})
    assert found.prediction == [{"start": 3, "end": 5, "label": "X", "page": 3}]
    assert found.details["best"]["passages"][0]["page"] == "own"


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lxml", None)
    with pytest.raises(MissingExtraError, match=r"anysize\[documents\]"):
        html(tmp_path, "<p>x</p>")


def test_archives_that_list_too_much_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(50):
            archive.writestr(f"{number}", "")
    monkeypatch.setattr(zipped, "MOST_MEMBERS", 40)
    with pytest.raises(DataError, match="lists 50 members"):
        read(path)
