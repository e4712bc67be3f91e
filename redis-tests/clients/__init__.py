"""Client libraries in use: each has a program that prints `ok NAME` or `FAILED NAME` lines."""
