"""Takes secrets out of text that programs of users print, before anybody stores it. Pure.

Called by the recorder for logs and by controllers/training_run for a failed pod's last lines. What looks like a secret
is replaced by ***; what does not look like one cannot be known, so that this is a net, not a promise. Every pattern
takes time proportional to the text: the text is hostile.
"""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "***"
PEM_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{1,40}-----")
PEM_END: Final = re.compile(r"-----END [A-Z0-9 ]{1,40}-----")

_BLOCK = re.compile(r"(?s)(-----BEGIN [A-Z0-9 ]{1,40}-----).*?(-----END [A-Z0-9 ]{1,40}-----|\Z)")
# Tokens of a language model's vocabulary are not meant.
_KEY = (
    r"password|passwd|passphrase|pwd|credentials?|private[_-]?key|(?:api|access|account)[_-]?key(?:[_-]?id)?"
    r"|secret(?:[_-]?access)?(?:[_-]?key)?|(?<!bos_)(?<!eos_)(?<!pad_)(?<!unk_)(?<!sep_)(?<!cls_)(?<!mask_)token"
)
_HINTS = ("passw", "passphrase", "pwd", "credential", "key", "secret", "token")  # of _KEY
_VALUE = r"""\\"(?:[^"\\\n]|\\[^"])*+\\?"?|"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?|[^\s"'&,;)}\]]++"""
_ASSIGNED = re.compile(rf"""(?i)((?:{_KEY})(?:\\?["'])?[ \t]{{0,3}}[=:][ \t]{{0,3}})({_VALUE})""")
_FLAG = re.compile(rf"(?i)((?<![a-z0-9-])--[a-z0-9-]{{0,40}}(?:{_KEY})[ \t]{{1,3}})([^\s-]\S*)")
_HEADER = re.compile(r"""(?i)((?:authorization|cookie)["']?[ \t]{0,3}[:=][ \t]{0,3})([^\r\n]++)""")
_BEARER = re.compile(r"(?i)(\bbearer[ \t]{1,3})([a-z0-9._~+/=-]{8,}+)")
_USERINFO = re.compile(r"""(://)[^\s/?#"'<>@]{1,256}(?:@[^\s/?#"'<>@]{1,256}){0,3}@""")
_SHAPES = re.compile(
    r"\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}\b|hf_[A-Za-z0-9]{20,}+|gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_[A-Za-z0-9_]{20,}+"
    r"|glpat-[A-Za-z0-9_-]{16,}+|xox[abpr]-[A-Za-z0-9-]{10,}+|sk-[A-Za-z0-9_-]{20,}+|AIza[A-Za-z0-9_-]{35}"
    r"|eyJ[A-Za-z0-9_-]{10,}+\.[A-Za-z0-9_-]{10,}+\.[A-Za-z0-9_-]{5,}+)"
)


def scrub(text: str) -> str:
    """The text without passwords, tokens, keys, bearer tokens, userinfo of URLs and PEM blocks. Any text is fine."""
    text = _BLOCK.sub(rf"\1{HIDDEN}\2", text)
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = _hide_assigned(text)
    text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    return _SHAPES.sub(HIDDEN, text)


def _hide_assigned(text: str) -> str:
    """Only lines in which a word hints at it are looked at closely: that is ten times slower than all the rest."""
    if not _hints(text):
        return text
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if _hints(line):
            lines[number] = _FLAG.sub(rf"\1{HIDDEN}", _ASSIGNED.sub(_hide_value, line))
    return "\n".join(lines)


def _hints(text: str) -> bool:
    lower = text.lower()
    return any(word in lower for word in _HINTS)


def _hide_value(found: re.Match[str]) -> str:
    """Quotation marks stay, so that JSON stays JSON."""
    key, value = found[1], found[2]
    for mark in ('\\"', '"', "'"):
        if value.startswith(mark):
            return f"{key}{mark}{HIDDEN}{mark}"
    return key + HIDDEN
