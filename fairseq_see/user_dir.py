"""``--user-dir "$(python -m fairseq_see.user_dir)"``: where the installed package is."""

from pathlib import Path

if __name__ == "__main__":
    print(Path(__file__).parent)
