"""From the analyzers' outcomes to one analysis document. Pure: no Ray, no files, no clock of its own."""
