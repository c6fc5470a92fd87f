#!/usr/bin/env python3
"""Lists long sentences and words that this project no longer uses.

    english.py                  checks every tracked file, and fails if it lists anything
    english.py PATH             checks one file or folder, or several
    english.py --stats [PATH]   prints words, longest sentence and number of long sentences for each area
    english.py --self-test      checks this script

It reads prose only: Markdown without code blocks, man pages without macros, comments, messages (the string literals of
Sources) and test names. A code span counts as one word, and no word inside it is looked up. So quote a word that is gone
in backticks. The rules are in CONTRIBUTING.md.
"""

import bisect
import io
import os
import re
import subprocess
import sys
import tokenize
from collections import defaultdict

LIMIT = 35

# Words that are gone, and what to write instead. Each pattern is matched against whole words in any case, unless it
# starts with (?-i:...).
WORDS = [
    (r"doorbells?|bells?", "self-pipe, wake-up"),
    (r"rungs?", "phase (of a shutdown), notified (a reader)"),
    (r"rang|ringing|to ring|rings (?:the|it|up|again|afterwards)", "notify"),
    (r"ours", "name it: this library's handler, action, process, descriptor"),
    (r"he|him|his", "name it: the program, the handler, the author"),
    (r"whoever|whomever", "name it: the thread that, the caller, any code that"),
    (r"whose (?:it|this|that|these|they|is|are)", "name the owner"),
    (r"somebody|someone", "name it: a thread, another process, the program, a user"),
    (r"who (?:sleeps?|polls|rings|fills)", "the thread that sleeps, the handler that fills"),
    (r"sleeps? on a word", "waits on a futex"),
    (r"conductors?", "launcher task"),
    (r"announcers?", "transition reporter"),
    (r"ladders?", "shutdown state machine, phases"),
    (r"mailbox(?:es)?", "subscription, event queue"),
    (r"the hand", "effects thread"),
    (r"(?:a|the) net", "fallback handler"),
    (r"lend|lends|lent|lending", "ignore for the spawn"),
    (r"strikes?|struck|striking", "raise, take the default action"),
    (r"step(?:s|ped|ping)? down", "pop the old action"),
    (r"(?:put|puts|putting) over", "install over"),
    (r"(?:hold|holds|held) off", "block (signals)"),
    (r"(?:lay|lays|laid|laying) (?:it )?down", "restore, remove (a mask)"),
    (r"leaves? no trace|without a trace", "restores the host's state"),
    (r"laps?", "turn of the ring, sequence number"),
    (r"(?:move|moves|moved|moving) up", "escalate"),
    (r"exits? hard|ends? hard", "exit at once, stop immediately"),
    (r"comes? too late", "is ignored during a shutdown"),
    (r"merge|merges|merged|merging", "coalesce"),
    (r"nothing but|none but|nobody but", "only"),
    (r"but for", "except"),
    (r"said in any case|open-?minded|wavering", "state what is"),
    (r"who (?:does|do) not \w+,", "name the subject"),
]

# A sentence that begins like this and ends with a full stop has no subject.
HEADLESS = re.compile(r"(?:And |But |So )?Who \w+.*\.$")

# Files in which old names are the subject: no word is looked up, sentences are measured.
QUOTES_OLD_NAMES = {
    "CHANGELOG.md",  # the migration tables
    "docs/before-0.1.md",
    "docs/bugs-found.md",
    "docs/decisions/0009-a-watch-and-a-ladder.md",
    "docs/decisions/0028-two-products-and-their-names.md",
    "Tests/tools/english.py",
}
# Not this project's text, or checked at its source.
SKIPPED = {
    "CODE_OF_CONDUCT.md",  # the Contributor Covenant
    "LICENSE",
}
SKIPPED_FOLDERS = ("docs/guide/", "Tests/expected/")  # generated; lists of names
# Files in which a word of the list means something else: path, then the word.
MEANT = {
    ("CONTRIBUTING.md", "merge"),
    ("CONTRIBUTING.md", "merged"),
    (".github/pull_request_template.md", "merge"),
    ("docs/stability.md", "merge"),
    ("docs/decisions/README.md", "ladder"),  # the title of 9
}

# A code span is mapped into a private range, so that nothing in it ends a sentence or is a word.
MASK = 0xE000
ABBREVIATIONS = re.compile(r"(?:^|[\s(])(?:e\.g|i\.e|etc|vs|cf|no|nos|approx|resp|fig|sec|incl|St|Dr|Mr|vol|p|pp)\.$", re.I)


def mask(text):
    return "".join(chr(MASK + ord(c)) if ord(c) < 0x80 else "\ue041" for c in text)


def unmask(text):
    return "".join(chr(ord(c) - MASK) if MASK <= ord(c) < MASK + 0x80 else c for c in text)


def mask_code(text):
    text = re.sub(r"(`+)(.+?)\1", lambda m: mask(m.group(0)), text, flags=re.S)
    text = re.sub(r"<doc:[^>]*>", lambda m: mask(m.group(0)), text)
    text = re.sub(r"!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^)\s]*\)", r"\1", text)
    return re.sub(r"https?://[^\s)>]+", lambda m: mask(m.group(0)), text)


class Unit:
    """A paragraph, a list item, a table cell: what no sentence crosses."""

    def __init__(self):
        self.parts, self.starts, self.lines, self.length = [], [], [], 0

    def add(self, line, text):
        text = text.strip()
        if not text:
            return
        self.starts.append(self.length)
        self.lines.append(line)
        self.parts.append(text)
        self.length += len(text) + 1

    def sentences(self):
        if not self.parts:
            return
        raw = " ".join(self.parts)
        # Masking and unlinking change lengths, so each part remembers its line by a mark of its own.
        marked = "".join(f"\uf8ff{i}\uf8fe{p} " for i, p in enumerate(self.parts))
        text = mask_code(marked) if "`" in raw or "](" in raw or "<doc:" in raw or "http" in raw else marked
        text = re.sub("[%s]([%s]+)[%s]" % (mask("\uf8ff"), mask("0123456789")[0] + "-" + mask("9"), mask("\uf8fe")), "", text)
        line = self.lines[0]
        start, pieces = 0, []
        for match in re.finditer(r"[.!?][\"')\]*_”]*(?=\s)", text):
            head = text[start : match.end()]
            if ABBREVIATIONS.search(head) or head.endswith(("...", "…")):
                continue
            pieces.append(head)
            start = match.end()
        pieces.append(text[start:])
        for piece in pieces:
            marks = list(re.finditer("\uf8ff(\\d+)\uf8fe", piece))
            if marks and not piece[: marks[0].start()].strip():
                line = self.lines[int(marks[0].group(1))]
            plain = re.sub("\uf8ff\\d+\uf8fe", "", piece)
            plain = re.sub(r"\s+", " ", plain).strip().replace("**", "")
            if plain:
                yield line, plain
            if marks:
                line = self.lines[int(marks[-1].group(1))]


def count_words(sentence):
    return sum(1 for token in sentence.split() if re.search(r"[\w\ue000-\ue07f]", token))


# Each reader yields units of (line, text).


def markdown(lines, first=1):
    """Paragraphs, list items, cells and headings; no code, no directives."""
    unit, fence, comment, directive = Unit(), None, False, 0
    after_blank, in_list = True, False
    for number, line in enumerate(lines, first):
        line = line.rstrip("\n")
        bare = line.strip()
        if fence:
            if bare.startswith(fence):
                fence = None
            continue
        opened = re.match(r"(```+|~~~+)", bare)
        if opened:
            yield unit
            unit, fence = Unit(), opened.group(1)
            continue
        if comment or bare.startswith("<!--"):
            comment = "-->" not in bare
            continue
        if not bare:
            yield unit
            unit, after_blank = Unit(), True
            continue
        if directive or re.match(r"@[A-Z]\w*(\W|$)", bare):
            yield unit
            unit = Unit()
            directive += bare.count("{") - bare.count("}")
            continue
        item = re.match(r"(\s*)(?:[-*+]|\d+[.)])\s+(.*)", line)
        if after_blank and (line.startswith("      ") and not item if in_list else line.startswith(("    ", "\t"))):
            continue  # an indented block of code
        after_blank = False
        if bare == "}" or re.match(r"[-=|: ]+$", bare):
            yield unit
            unit = Unit()
        elif bare.startswith("|") or (not item and re.search(r"\S\s+\|\s+\S", mask_code(bare)) and bare.count("|") > 1):
            yield unit
            unit = Unit()
            for cell in re.split(r"(?<!\\)\|", mask_code(bare).strip("|")):
                for part in re.split("(?<=[\"%s]), (?=[\"%s])" % (mask("`"), mask("`")), cell):  # a list of test names
                    yield one(number, part)
        elif bare.startswith("#"):
            yield unit
            yield one(number, bare.lstrip("#"))
            unit = Unit()
            in_list = False
        elif item:
            yield unit
            unit, in_list = Unit(), True
            unit.add(number, item.group(2))
        else:
            if not line.startswith(" ") and not unit.parts:
                in_list = False
            unit.add(number, bare.lstrip("> "))
    yield unit


def one(line, text):
    unit = Unit()
    unit.add(line, text)
    return unit


NOT_PROSE = re.compile(
    r"\s*(?:snippet\.(?:hide|show|end)|signals:|swift-format-ignore|swift-tools-version|MARK:|shellcheck|clang-format|SPDX|NOLINT|expect:|run:"
    r"|-\*-|vim:|syntax=|=+$|-+$)"
)


def comment_block(block):
    """Lines of one comment. A line like `label    text` and an outdent begin anew."""
    unit, indent = Unit(), None
    for number, text in block:
        bare = text.strip()
        if not bare or NOT_PROSE.match(text):
            yield unit
            unit, indent = Unit(), None
            continue
        width = len(text) - len(text.lstrip())
        item = re.match(r"\s*(?:[-*+]|\d+[.)])\s+(?=\S)", text)
        label = re.match(r"\s*\S+(?: \S+){0,4} {2,}(?=\S)", text)
        if item or (label and not re.search(r"[.!?:;]['\")]?\s+$", label.group())) or (indent is not None and width < indent):
            yield unit
            unit = Unit()
            if label and not item:
                yield one(number, label.group())
                unit.add(number, text[label.end() :])
            else:
                unit.add(number, text[item.end() if item else 0 :])
        else:
            unit.add(number, bare)
        indent = width
    yield unit


TOKENS = re.compile(
    r'(?P<multi>#*"""[\s\S]*?""")|(?P<raw>#+"[^\n]*?"#+)|(?P<string>"(?:\\.|[^"\\\n])*")|(?P<char>\'(?:\\.|[^\'\\\n])\')'
    r"|(?P<line>//[^\n]*)|(?P<block>/\*[\s\S]*?\*/)"
)


def c_like(text, path):
    """Comments, and where they are wanted messages and test names, of Swift, C and the like."""
    breaks = [i for i, c in enumerate(text) if c == "\n"]

    def place(offset):
        line = bisect.bisect_left(breaks, offset)
        start = breaks[line - 1] + 1 if line else 0
        return line + 1, offset - start, not text[start:offset].strip()

    is_swift = path.endswith(".swift")
    in_sources = path.startswith("Sources/")
    pending, kind, column = [], None, 0

    def flush():
        if pending:
            if kind == "///":
                for unit in markdown([t for _, t in pending], pending[0][0]):
                    yield "comments", unit
            else:
                for unit in comment_block(pending):
                    yield "comments", unit

    for match in TOKENS.finditer(text):
        what = match.lastgroup
        line, at, alone = place(match.start())
        if what == "line":
            body = match.group()
            marker = "///" if body.startswith("///") else "//"
            if not (pending and alone and pending[-1][0] == line - 1 and kind == marker and column == at):
                yield from flush()
                pending.clear()
            kind, column = marker, at
            content = body[len(marker) :]
            pending.append((line, content[1:] if content.startswith(" ") else content))
            continue
        if what == "block":
            yield from flush()
            pending.clear()
            lines = match.group()[2:-2].split("\n")
            cleaned = [(line + i, re.sub(r"^\s*\* ?", "", t) if i else t.lstrip("*!").lstrip()) for i, t in enumerate(lines)]
            for unit in comment_block(cleaned):
                yield "comments", unit
            continue
        if what in ("string", "multi"):
            before = text[max(0, match.start() - 40) : match.start()]
            if re.search(r"@(?:Test|Suite)\(\s*$", before):
                yield "test names", one(line, plain_string(match.group()))
            elif in_sources and what == "multi":
                for unit in comment_block([(line + i, plain_string(t)) for i, t in enumerate(match.group().strip('#"').split("\n"))]):
                    yield "messages", unit
            elif in_sources and match.group().count(" ") > 1:
                yield "messages", one(line, plain_string(match.group()))
    yield from flush()
    if path.startswith("Tests/"):
        named = r"func `([^`]+)`" if is_swift else r"^TEST\((\w+)\)"
        for match in re.finditer(named, text, re.M):
            yield "test names", one(place(match.start())[0], match.group(1).replace("_", " "))


def plain_string(literal):
    """Without quotes; an interpolation counts as one word."""
    text, out, i = literal.strip('#"'), [], 0
    while i < len(text):
        if text[i] == "\\" and i + 1 < len(text):
            if text[i + 1] == "(":
                depth, start = 1, i
                i += 2
                while i < len(text) and depth:
                    depth += {"(": 1, ")": -1}.get(text[i], 0)
                    i += 1
                out.append(mask(text[start:i]))
                continue
            out.append({"n": " ", "t": " ", '"': '"'}.get(text[i + 1], ""))
            i += 2
            continue
        out.append(text[i])
        i += 1
    return "".join(out)


def hash_comments(text):
    """Comments of shell, make, CMake, YAML and the like. A `#` without a space after it is something else."""
    block, column, here = [], 0, None
    for number, line in enumerate(text.split("\n"), 1):
        if here:
            here = None if line.strip() == here else here
            continue
        match = re.match(r"\s*##?(?: (.*))?$", line)
        at = line.find("#")
        if match:
            if block and (block[-1][0] != number - 1 or column != at):
                yield from comment_block(block)
                block = []
            block.append((number, match.group(1) or ""))
            column = at
            continue
        if block:
            yield from comment_block(block)
            block = []
        trailing = re.search(r"\s# (.*)$", line)
        if trailing:
            before = line[: trailing.start()]
            if before.count('"') % 2 == 0 and before.count("'") % 2 == 0 and before.count("`") % 2 == 0:
                block, column = [(number, trailing.group(1))], trailing.start() + 1
        opened = re.search(r"<<-?\s*['\"\\]?(\w+)", line)
        if opened and not line.lstrip().startswith("#"):
            here = opened.group(1)
    yield from comment_block(block)


def python(text):
    """Comments and documentation strings."""
    block, previous = [], None
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and token.string.startswith("# "):
            if block and block[-1][0] != token.start[0] - 1:
                yield from comment_block(block)
                block = []
            block.append((token.start[0], token.string[2:]))
        elif token.type == tokenize.STRING and previous in (None, tokenize.NEWLINE, tokenize.INDENT):
            yield from comment_block(list(enumerate(token.string.strip("\"'").split("\n"), token.start[0])))
        if token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.ENCODING, tokenize.DEDENT):
            previous = token.type
    yield from comment_block(block)


CALLABLE = set("Ar Cm Dv Em Er Ev Fa Fl Fn Ft Ic In Li Nm Op Pa Pq Dq Sq Ql Qq Va Vt Xr Sy No Po Pc Oo Oc".split())
CODE = CALLABLE - set("Em Pq Dq Sq Sy No Op Po Pc Oo Oc".split())
ENDS = set(".,;:?!)]")


def man_page(lines):
    """Prose of an mdoc page; the macros of code are masked, displays and the synopsis left out."""
    unit, display, synopsis = Unit(), False, False
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\n")
        if line.startswith((".Bd", ".Ed")):
            display = line.startswith(".Bd")
            yield unit
            unit = Unit()
            continue
        if line.startswith(".Sh"):
            synopsis = "SYNOPSIS" in line
        if display or synopsis or line.startswith((".Dd", ".Dt", ".Os", ".Dl", '."')):
            continue
        if line.startswith('.\\"'):
            yield one(number, line[3:])
            continue
        if not line.startswith("."):
            unit.add(number, roff(line))
            continue
        tokens = re.findall(r'"[^"]*"|\S+', line[1:])
        macro = tokens.pop(0) if tokens else ""
        if macro in ("Sh", "Ss", "Pp", "Bl", "El", "It", "Nd", "Nm") and not (macro == "Nm" and unit.parts):
            yield unit
            unit = Unit()
        if macro in ("Pp", "Bl", "El", ""):
            continue
        text, code, opening = "", macro in CODE, macro in ("Pq", "Dq", "Sq", "Po", "Op")
        text = "(" if opening else ""
        closing = ")" if opening else ""
        for token in tokens:
            token = roff(token.strip('"'))
            if token in CALLABLE:
                if token in ("Pq", "Op", "Dq") and not closing:
                    text, closing = text + " (", ")"
                code = token in CODE
            elif token in ENDS:
                text, closing = text + closing + token, ""
            else:
                text += (" " if text and not text.endswith("(") else "") + (mask(token) if code else token)
        if not text and macro == "Nm":
            text = mask("Nm")
        if macro == "Pc":
            text = ")" + text
        elif macro == "Xr" and len(tokens) > 1 and " " in text:
            text = text.replace(" ", "\ue020", 1)
        unit.add(number, text + closing)
        if macro in ("Sh", "Ss", "Nd") or (macro == "It" and tokens):
            yield unit
            unit = Unit()
    yield unit


def roff(text):
    text = re.sub(r"\\f[BIRP]", "", text)
    text = text.replace("\\-", "-").replace("\\&", "").replace("\\e", "\\").replace("\\(em", "—").replace("\\(aq", "'")
    return text


EXTENSIONS = {
    "md": "markdown", "swift": "c", "c": "c", "h": "c", "cpp": "c", "pml": "c", "rs": "c", "go": "c", "js": "c",
    "py": "python", "sh": "hash", "mk": "hash", "awk": "hash", "yml": "hash", "cmake": "hash", "build": "hash",
    "toml": "hash", "1": "man", "3": "man", "7": "man",
}  # fmt: skip


def kind_of(path, text):
    name = path.rsplit("/", 1)[-1]
    if name in ("Makefile", "CMakeLists.txt", ".spi.yml", ".clang-format", ".gitignore"):
        return "hash"
    extension = name.rsplit(".", 1)[-1] if "." in name[1:] else ""
    if extension == "in":
        extension = "cmake" if ".cmake." in name else ""
    if extension in EXTENSIONS:
        return EXTENSIONS[extension]
    if text.startswith("#!"):
        return "python" if "python" in text.split("\n", 1)[0] else "hash"
    return None


def area_of(path, what):
    if what in ("test names", "messages"):
        return what
    if path == "README.md":
        return "README"
    if path == "ARCHITECTURE.md":
        return "ARCHITECTURE"
    if ".docc/" in path:
        return "articles"
    if path.startswith("docs/decisions/"):
        return "decisions"
    if path.endswith(".md"):
        return "other documents"
    if re.search(r"\.[137]$", path):
        return "man pages"
    if "/include/" in path and path.startswith("Sources/"):
        return "headers"
    if path.startswith("Sources/"):
        return "comments in Sources"
    if path.startswith("Tests/"):
        return "comments in Tests"
    return "other comments"


AREAS = [
    "README", "articles", "man pages", "headers", "ARCHITECTURE", "decisions", "other documents", "messages", "comments in Sources",
    "comments in Tests", "other comments", "test names",
]  # fmt: skip


def units_of(path, text):
    kind = kind_of(path, text)
    if kind == "markdown":
        units = (("prose", unit) for unit in markdown(text.split("\n")))
    elif kind == "c":
        units = c_like(text, path)
    elif kind == "python":
        units = (("comments", unit) for unit in python(text))
    elif kind == "hash":
        units = (("comments", unit) for unit in hash_comments(text))
    elif kind == "man":
        units = (("prose", unit) for unit in man_page(text.split("\n")))
    else:
        return
    yield from units


PATTERN = re.compile(r"(?<![\w\ue000-\ue07f.-])(?:" + "|".join(f"({p})" for p, _ in WORDS) + r")(?![\w\ue000-\ue07f]|-\w)", re.I)


def findings(path, text, measure=None):
    """Yields (line, message) for each finding; `measure(area, words)` is told of each sentence."""
    for what, unit in units_of(path, text):
        for line, sentence in unit.sentences():
            words = count_words(sentence)
            if measure:
                measure(area_of(path, what), words)
            if words > LIMIT:
                yield line, f"{words} words: {shorten(unmask(sentence))}"
            if path in QUOTES_OLD_NAMES:
                continue
            for match in PATTERN.finditer(sentence):
                if (path, match.group().lower()) not in MEANT:
                    yield line, f"“{match.group()}”: {WORDS[match.lastindex - 1][1]}: {around(sentence, match)}"
            if HEADLESS.match(sentence):
                yield line, f"no subject: {shorten(unmask(sentence))}"


def shorten(text):
    return text if len(text) <= 90 else text[:90].rsplit(" ", 1)[0] + " …"


def around(text, match):
    return "… " + unmask(text[max(0, match.start() - 35) : match.end() + 35]).strip() + " …"


def check(paths, show_stats):
    listed, numbers = 0, defaultdict(lambda: [0, 0, 0])

    def measure(area, words):
        row = numbers[area]
        row[0] += words
        row[1] = max(row[1], words)
        row[2] += words > LIMIT

    for path in paths:
        if path in SKIPPED or path.startswith(SKIPPED_FOLDERS):
            continue
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        for line, message in findings(path, text, measure):
            listed += 1
            if not show_stats:
                print(f"{path}:{line}: {message}")
    if show_stats:
        print(f"{'area':22}{'words':>8}{'longest sentence':>18}{f'over {LIMIT}':>9}")
        for area in AREAS:
            if area in numbers:
                words, longest, over = numbers[area]
                print(f"{area:22}{words:8}{longest:18}{over:9}")
        return 0
    return listed


def self_test():
    long = " ".join(["word"] * 36)
    brief = " ".join(["word"] * 34)
    cases = [  # path, text, lines with findings
        ("a.md", f"{long}.", [1]),
        ("a.md", f"{brief}.\n{brief}.", []),
        ("a.md", f"Short. {brief}\nand two more.", [1]),
        ("a.md", f"Short one.\n\nSecond.\n{long}", [4]),
        ("a.md", f"```sh\n{long}\n```\n", []),
        ("a.md", f"- {brief}\n- {brief}\n", []),
        ("a.md", f"| {brief} | {brief} |\n|---|---|\n| a | {long} |\n", [3]),
        ("a.md", f"{brief} `{brief}`.", []),
        ("a.md", f"{brief} [two words](https://example.com/a.b).", [1]),
        ("a.md", "A bell. The `bell` is code. A SignalBell. Nobody but the reader.", [1, 1]),
        ("a.md", "<!-- whoever -->\n\n@Metadata {\n  ours\n}\n\n    whoever\n", []),
        ("a.md", "# Who owns what\n\nWho watches is told. Who is there?", [3]),
        ("a.md", f"| \"{brief}\", \"{brief}\" |", []),
        ("a.md", f"- a\n\n      {long}\n", []),
        ("a.md", "Yours, hours, a ring of slots; that is hers.", []),
        ("CHANGELOG.md", "The ladder is gone.", []),
        ("a.swift", f"/// {brief}\n/// {brief}\nlet x = 1\n", [1]),
        ("a.swift", f"// {brief}\nlet x = 1\n// {brief}\n", []),
        ("a.swift", f'let x = "// {long}"\n', []),
        ("a.swift", f"case a  // {brief}\ncase b  // {brief}\n", []),
        ("Sources/a.swift", 'throw Error("somebody closed \\(x) here")\n', [1]),
        ("Tests/a.swift", '@Test("whoever sends it")\nfunc a() { print("somebody else is here") }\n', [1]),
        ("Tests/c/a.c", "TEST(whoever_sends_it) {}\n", [1]),
        ("a.c", f"/* {brief}\n * {brief} */\nint x; /* ours */\n", [1, 3]),
        ("a.sh", f"#!/bin/sh\n# {brief}\n# {brief}\necho '# {long}'\necho # ours\n", [2, 5]),
        ("a.sh", f"cat <<END\n# {long}\nEND\n", []),
        ("a.py", f'"""{brief}.\n\n{long}."""\nx = "{long}"  # whoever\n', [3, 4]),
        ("Makefile", "# Words:\n#\n#   make a   whoever\n", [3]),
        ("a.3", f".Sh A\n{brief}\n.Xr poll 2 .\n.Pp\n.Bd\n{long}\n.Ed\n", []),
        ("a.3", f".Sh A\n{brief}\n.Xr poll 2\nand\n.Fn b .\n", [2]),
    ]
    failed = 0
    for path, text, expected in cases:
        found = [line for line, _ in findings(path, text)]
        if found != expected:
            failed += 1
            print(f"FAIL {path}: {text[:70]!r} has findings in lines {found}, not {expected}")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return failed


def main(arguments):
    if "--self-test" in arguments:
        return self_test()
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    wanted = [os.path.relpath(os.path.abspath(a), root) for a in arguments if not a.startswith("--")]
    os.chdir(root)
    tracked = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *wanted], capture_output=True, text=True)
    if tracked.returncode != 0:
        print("this is no clone: git ls-files fails")
        return 1
    return check(sorted(path for path in tracked.stdout.split("\0") if path), "--stats" in arguments)


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
