"""Recordings whose texts are in files beside them: LibriSpeech, LJSpeech, a text for each clip.

One module a layout: ``chapters`` (``84-121123.trans.txt``), ``barred`` (``metadata.csv`` with
``|``) and ``beside`` (``clip.txt`` beside ``clip.wav``). Each says which files are its own, and
gives their lines; ``layout`` finds the recordings of the lines, and says what is left out. A TSV
with a header beside a folder of clips (Common Voice) is a table like any other.
"""
