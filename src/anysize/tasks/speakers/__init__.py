"""Parts of speaker recognition: windows and crops of recordings, the timeline of who speaks."""
