"""The address in _config.yml: copied to wherever else it stands, and where it puts the site."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
ADDRESS = re.compile(r'(git\+|url += \{|url: |repository-code: )https://[^\s"\\}]+')


def pages(root):
    named = (root / name for name in ("README.md", "index.md", "CITATION.cff"))
    return [*named, *root.glob("chapters/*.ipynb")]


def rewritten(text, url):
    return ADDRESS.sub(rf"\g<1>{url}", text)


def site(url):
    """Return where GitHub Pages serves the book of a repository."""
    owner, name = url.rstrip("/").split("/")[-2:]
    return f"https://{owner}.github.io/{name}/"


def main():
    url = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))["repository"]["url"]
    for path in pages(ROOT):
        path.write_text(rewritten(path.read_text("utf8"), url), "utf8")


if __name__ == "__main__":
    main()
