"""Write the golden table anew: ``python -m tests.unit.words.regenerate``; then read what changed."""

from tests.unit.words.golden import TABLE, table

if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
