"""Which encoding text has that is not UTF-8, by how frequent the characters are that it would hold.

In a wrong encoding text decodes, if it does at all, to characters that are rare in the language of
that encoding. What is tried are the encodings of East Asian languages, and those of one byte a
letter for other alphabets than the Latin one.
"""

from __future__ import annotations

import codecs
import re

_KANA = "".join(map(chr, [*range(0x3041, 0x3097), *range(0x30A1, 0x30FD)]))
_SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过"
    "发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前"
    "开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最"
    "重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门"
    "任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数"
    "快慢差服务态店买非"
)
_TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過"
    "發後作裡用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心本前"
    "開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很最"
    "重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度門"
    "任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數"
    "快慢差服務態店買非"
)
_HANGUL = (
    "이다는의가에을를은하고지한도로기사어서리자나인그대해시것수아있만여보으정들라전부제과장게면모일"
    "주할우상국스니안요었말내생세위들조원성오실중소년와야물회신동무경구러마까더때제적습저진분좋영화"
    "았겠않없같음입합됩네데드르선비바운음"
)
_FREQUENT = {
    "cp932": frozenset(_KANA),
    "euc_jp": frozenset(_KANA),
    "gb18030": frozenset(_SIMPLIFIED),
    "big5": frozenset(_TRADITIONAL),
    "cp949": frozenset(_HANGUL),
    "cp1251": frozenset("оеаинтсрвлкмдпуяыьзбгйч"),
    "koi8_r": frozenset("оеаинтсрвлкмдпуяыьзбгйч"),
    "cp1253": frozenset("αοιετσνηυρπκμλςάέήίόύώ"),
    "cp1255": frozenset("אבגדהוזחטילמנפצקרשתםןךףץכסע"),
    "cp1256": frozenset("ابةتجحدرسشعفقكلمنهويىأخ"),
    "cp874": frozenset("กขคงจชดตถทนบปผพมยรลวสหอะาิีึืุูเแโใไ่้์ั็ำ"),
}
EAST_ASIAN = ("cp932", "euc_jp", "gb18030", "big5", "cp949")
"""Encodings of one and two bytes a character."""

_FEWEST = {"cp932": 0.2, "euc_jp": 0.2, "gb18030": 0.15, "big5": 0.15, "cp949": 0.25}
_OF_ONE_BYTE = tuple(name for name in _FREQUENT if name not in EAST_ASIAN)
_LIKELY, _SURELY, _HARDLY = 0.6, 0.9, 0.3
_WORD = 2.5
_HIGH = re.compile(rb"[\x80-\xff]+")


def of_another_script(sample: bytes) -> str | None:
    """The encoding of text in East Asian characters, Cyrillic, Greek, Hebrew, Arabic or Thai.

    Args:
        sample: text that is not UTF-8; its end may be cut.

    Returns:
        None where no such encoding fits.
    """
    shares = {name: _share(sample, name) for name in _FREQUENT}
    wide = max(EAST_ASIAN, key=lambda name: shares[name])
    letters = max(_OF_ONE_BYTE, key=lambda name: shares[name])
    sure = shares[wide] >= _FEWEST[wide]
    # Letters of one byte stand in words; those with accents stand alone among ASCII letters.
    runs = [len(run) for run in _HIGH.findall(sample)]
    least = _LIKELY if not sure else _SURELY if shares[wide] < _HARDLY else 1
    if shares[letters] > least and sum(runs) >= _WORD * len(runs):
        return letters
    return wide if sure else None


def _share(sample: bytes, encoding: str) -> float:
    """The part of the characters beyond ASCII that is frequent; 0 where it does not decode."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return 0.0
    foreign = [sign for sign in text if not (sign.isascii() or sign.isspace())]
    if encoding in EAST_ASIAN:
        foreign = [sign for sign in foreign if sign.isalpha()]
    frequent = _FREQUENT[encoding]
    return sum(sign in frequent for sign in foreign) / len(foreign) if foreign else 0.0
