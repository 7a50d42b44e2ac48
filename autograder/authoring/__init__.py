"""From a chapter's text to the source notebook, the page and the student's library."""
