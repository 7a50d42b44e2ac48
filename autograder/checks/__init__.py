"""Hidden checks, one file a chapter: functions of `student` that fail with words to act on."""
