"""Words that say whether a full stop ends a sentence: abbreviations, months, first words.

They are of English and German, with the commonest of French, Spanish, Italian and Dutch. Where two
languages disagree, the rules of ``windows.sentences`` look at what is around the word.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ABBREVIATIONS = _words(
    # Titles and names.
    "mr mrs ms mx dr prof rev hon gen col maj capt cpt lt sgt cmdr adm gov sen rep pres supt det "
    "mme mlle hr fr frl st ste sta sr sra srta dra dott sig ing dipl mag univ priv-doz doz "
    # What comes before a number or a name.
    "fig figs eq eqs sec ch chap vol vols nos pp cf vs viz approx ca cca resp incl excl "
    "abb tab nr bd bde kap abs ziff anm aufl hrsg verl vgl bzw bspw usf zzgl abzgl evtl ggf inkl "
    "exkl max mind sog gem lt tel str geb gest verh entspr insb allg urspr zit ebd dt engl frz "
    "lat griech amerik brit schweiz österr betr bez mio mrd tsd jhd jh hl röm kath ev bes vors "
    # Several stops.
    "e.g i.e z.b d.h u.a s.o s.u o.ä v.a m.e i.d.r z.t z.zt u.u o.g s.g u.ä i.a d.i n.b p.ex "
    # Months and days, where a day or year comes after.
    "jan feb mar mär apr jun jul aug sept okt oct nov dez dec "
    "tue tues wed thu thur thurs fri"
)
"""Lower case, without the last stop: a sentence does not end with them."""

SOMETIMES_LAST = _words(
    "etc usw inc ltd co corp bros jr u.s u.k e.u u.n u.s.a a.m p.m ph.d b.a m.a b.c a.d d.c l.a al "
    "ff f llc plc v.chr n.chr u.s.w min sep art par ave blvd rd dept est"
)
"""Abbreviations that a sentence may end with: it does where what follows begins one."""

BEFORE_NUMBERS = _words("no nr p s art par sec min")
"""Abbreviations only where a number comes after."""

MONTHS = _words(
    "januar jänner februar märz april mai juni juli august september oktober november dezember "
    "januari februari maart juni juli augustus oktober december "
    "janvier février mars avril juin juillet août septembre octobre novembre décembre "
    "jan feb mär apr aug sept okt nov dez"
)

BEFORE_ORDINALS = _words(
    "der die das dem den des am vom zum zur im beim ein eine einem einen einer eines jeder jede "
    "jedes jeden jedem dieser diese dieses diesen diesem sein seine seinem seinen seiner ihr ihre "
    "ihrem ihren ihrer mein meine meinen meinem unser unsere unseren ab bis seit nach vor"
)
"""German words after which a number with a stop is an ordinal."""

# A sentence may begin with any word; these seldom stand after an abbreviation or initial, unless
# they begin one.
FIRST_WORDS = _words(
    "The A An He She It We They You I This That These Those There Here What When Where Who Why How "
    "If In On At But And Or So As For From With By To After Before Since While Because Although "
    "However Then Now His Her Its Our Their My Your One No Not Yes Some Many Most All Each Every "
    "Is Are Was Were Do Does Did Has Have Had Can Could Will Would Should May Let Please "
    "Der Die Das Er Sie Es Wir Ihr Ich Du Ein Eine Einer Dies Diese Dieser Dieses Dort Hier Da "
    "Dann Wenn Als Weil Obwohl Aber Und Oder Doch Jedoch Im Am Zum Zur Bei Beim Nach Vor Seit "
    "Mit Von Auf Aus Für Durch Ohne Wer Wie Wo Was Warum Wann Man Nun Jetzt Danach Später Auch Nur "
    "Nicht Kein Keine Alle Viele Jeder Ist Sind War Waren Hat Haben Kann Sein Seine Mein Meine "
    "Unser Unsere Le La Les Un Une Il Elle Ils Elles Nous Vous El Los Las Ella Ellos"
)
