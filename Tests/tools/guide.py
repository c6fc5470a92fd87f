#!/usr/bin/env python3
"""Writes the articles of the DocC catalogue as plain Markdown into docs/guide, for readers on a code host.

    guide.py             writes docs/guide
    guide.py --check     fails with a diff if a file there is out of date, or if a link in any Markdown file leads nowhere
    guide.py --self-test checks this script
"""

import difflib
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CATALOGUE = "Sources/SignalBridge/SignalBridge.docc"
GUIDE = "docs/guide"
LANDING = "SignalBridge"  # becomes README.md, which a code host shows for the folder
UP = "../../"  # from docs/guide to the root

# Directives that are about DocC alone. The content of every other block directive is kept, without the directive.
DROPPED = {"Metadata", "Options", "Comment", "Redirected", "DeprecationSummary"}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def git_files():
    """Every file that is or will be tracked, and the folders that contain them."""
    listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode == 0:
        files = {path for path in listing.stdout.split("\0") if path and os.path.exists(os.path.join(ROOT, path))}
    else:  # an archive without its history
        files = set()
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [name for name in folders if name not in (".git", ".build")]
            files.update(os.path.relpath(os.path.join(folder, name), ROOT) for name in names)
    folders = set()
    for path in files:
        while "/" in path:
            path = path.rsplit("/", 1)[0]
            folders.add(path)
    return files, folders


def split_code(text):
    """Pairs of (is code, lines): fenced code, or what is between."""
    pieces, fence = [(False, [])], None
    for line in text.split("\n"):
        match = re.match(r"\s*(```+|~~~+)", line)
        if fence is None and match:
            fence = match.group(1)
            pieces.append((True, [line]))
        elif fence is not None:
            pieces[-1][1].append(line)
            if line.strip() == fence:
                fence = None
                pieces.append((False, []))
        else:
            pieces[-1][1].append(line)
    return pieces


def outside_spans(text, change):
    """Applies a change to what is not in a code span of one backtick."""
    return "".join(part if i % 2 else change(part) for i, part in enumerate(re.split(r"((?<!`)`[^`\n]+`(?!`))", text)))


class Guide:
    def __init__(self):
        self.files, self.folders = git_files()
        self.articles = sorted(os.path.basename(path)[:-3] for path in self.files if re.fullmatch(CATALOGUE + r"/\w+\.md", path))
        self.titles = {name: self.heading(name) for name in self.articles}
        self.abstracts = {name: self.abstract(name) for name in self.articles}
        self.images = {os.path.basename(path): path for path in self.files if path.startswith(CATALOGUE + "/") and not path.endswith(".md")}
        self.sites = {f"/documentation/{os.path.basename(CATALOGUE)[:-5].lower()}/{name.lower()}" for name in self.articles}
        self.problems = []
        self.declarations = None

    def source(self, name):
        return f"{CATALOGUE}/{name}.md"

    def target(self, name):
        return "README.md" if name == LANDING else f"{name}.md"

    def heading(self, name):
        match = re.search(r"^# (.+)$", read(self.source(name)), re.M)
        return match.group(1).replace("``", "") if match else name

    def abstract(self, name):
        """The paragraph under the title, on one line."""
        match = re.search(r"^# .+\n+((?:(?![#@\n`]).+\n)+)", read(self.source(name)), re.M)
        return " ".join(match.group(1).split()) if match else ""

    def convert(self, name):
        text = read(self.source(name))
        out = [f"<!-- Generated from {self.source(name)} by Tests/tools/guide.py: edit that, then run `make guide`. -->", ""]
        body = self.directives(text, name)
        body = re.sub(r"^<!--(?:(?!-->)[\s\S])*-->\n*", "", body, flags=re.M)
        converted = []
        for is_code, lines in split_code(body):
            part = "\n".join(lines)
            converted.append(part if is_code else self.prose(part, name))
        body = self.topics("\n".join(converted))
        body = self.levels(body)
        body = re.sub(r"\n{3,}", "\n\n", body).strip()
        out.append(body)
        if name != LANDING:
            out += ["", "---", "", f"[All articles](README.md) · [The README]({UP}README.md)"]
        return "\n".join(out) + "\n"

    def directives(self, text, name):
        """Snippets become code, images images, and other directives go."""
        out, stack, fence = [], [], None
        for line in text.split("\n"):
            match = re.match(r"\s*(```+|~~~+)", line)
            if fence or match:
                if fence and line.strip() == fence:
                    fence = None
                elif not fence:
                    fence = match.group(1)
                if not any(kind in DROPPED for kind in stack):
                    out.append(line[self.indent(stack, line) :])
                continue
            match = re.match(r"\s*@([A-Z]\w*)(?:\((.*?)\))?\s*(\{)?\s*(.*?)\s*(\})?\s*$", line)
            if match:
                kind, arguments, opened, rest, closed = match.groups()
                arguments = dict(re.findall(r'(\w+):\s*"([^"]*)"', arguments or "")) or {"": (arguments or "").strip('"')}
                if opened and not closed:
                    stack.append(kind)
                if any(kind in DROPPED for kind in stack + [kind]):
                    continue
                if kind == "Snippet":
                    out += self.snippet(arguments, name)
                elif kind in ("Image", "Video"):
                    out += [self.image(arguments.get("alt", ""), arguments.get("source", ""), name)]
                elif kind == "Tab":
                    out += ["", f"**{arguments.get('', '')}**", ""]
                elif rest:
                    out.append(rest)
                continue
            if stack and line.strip() == "}":
                stack.pop()
                continue
            if not any(kind in DROPPED for kind in stack):
                out.append(line[self.indent(stack, line) :])
        if stack:
            self.problems.append(f"{self.source(name)}: @{stack[-1]} is not closed")
        return "\n".join(out)

    @staticmethod
    def indent(stack, line):
        return min(len(line) - len(line.lstrip()), 4 * len(stack)) if stack else 0

    def snippet(self, arguments, name):
        path = arguments.get("path", "").split("/", 1)[-1] + ".swift"
        if path not in self.files:
            self.problems.append(f"{self.source(name)}: there is no {path}")
            return []
        wanted, shown, slice_name, lines = arguments.get("slice"), True, None, []
        text = read(path)
        if re.match(r"// (?!snippet\.)", text):
            self.problems.append(f"{path}: DocC shows the comment above `// snippet.hide` as a paragraph")
        for line in text.split("\n"):
            directive = re.match(r"\s*// snippet\.(\S+)", line)
            if directive:
                word = directive.group(1)
                shown = {"hide": False, "show": True}.get(word, shown)
                if word == "end":
                    slice_name = None
                elif word not in ("hide", "show"):
                    slice_name = word
                continue
            if not shown or (wanted and slice_name != wanted):
                continue
            lines.append(line)
        while lines and not lines[0].strip():
            lines.pop(0)
        while lines and not lines[-1].strip():
            lines.pop()
        margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        return ["```swift", *(line[margin:] for line in lines), "```"]

    def image(self, alt, source, name):
        """An image, and its variant for dark pages where there is one."""
        for file in (source, source + ".svg", source + ".png"):
            if file in self.images:
                base, extension = os.path.splitext(file)
                dark = self.images.get(f"{base}~dark{extension}")
                path = UP + self.images[file]
                if not dark:
                    return f"![{alt}]({path})"
                return f'<picture><source media="(prefers-color-scheme: dark)" srcset="{UP + dark}"><img alt="{alt}" src="{path}"></picture>'
        self.problems.append(f"{self.source(name)}: there is no image {source}")
        return alt

    def prose(self, text, name):
        text = outside_spans(text, lambda part: re.sub(r"!\[([^\]]*)\]\(([^)/\s]+)\)", lambda m: self.image(m.group(1), m.group(2), name), part))
        text = outside_spans(text, lambda part: re.sub(r"<doc:([^>]+)>", lambda m: self.link(m.group(1), name), part))
        text = re.sub(r"\]\(/documentation/(\w+)(?:/(\w+))?\)", lambda m: f"]({self.page(m.group(1), m.group(2), name)})", text)
        text = re.sub(r"(?<!`)``([^`\n]+)``(?!`)", lambda m: f"`{brief(m.group(1).replace('/', '.'))}`", text)
        return re.sub(r"(?<![`\[])`([\w.+-]+/[\w./+-]*|[A-Z]+\.md)`(?![`\]])", lambda m: self.file_link(m.group(1)), text)

    def link(self, reference, name):
        article = reference.split("/")[-1]
        article, _, anchor = article.partition("#")
        if article in self.titles:
            return f"[{self.titles[article]}]({self.target(article)}{'#' + slug(anchor.replace('-', ' ')) if anchor else ''})"
        if re.match(r"[A-Z]\w*(/|$)|[a-z]\w*\(", reference):
            return f"`{reference.replace('/', '.')}`"
        self.problems.append(f"{self.source(name)}: <doc:{reference}> is no article")
        return reference

    def page(self, module, symbol, name):
        """The folder or file that a page of the other module documents."""
        folders = {folder.lower(): folder for folder in self.folders if re.fullmatch(r"Sources/\w+", folder)}
        folder = folders.get(f"sources/{module}")
        files = [path for path in self.files if folder and path.startswith(folder + "/") and path.lower().endswith(f"/{symbol}.swift")]
        if not folder or (symbol and not files):
            self.problems.append(f"{self.source(name)}: /documentation/{module}/{symbol or ''} is no page")
            return UP
        return UP + (files[0] if symbol else folder)

    def file_link(self, path):
        """A file or folder of this repository becomes a link to it."""
        plain = path.rstrip("/")
        return f"[`{path}`]({UP}{plain})" if plain in self.files or plain in self.folders else f"`{path}`"

    def topics(self, text):
        """Lists of articles and symbols get what each is, and symbols a link to their file."""
        match = re.search(r"^## Topics\n", text, re.M)
        if not match:
            return text
        head, tail = text[: match.start()], text[match.end() :]
        lines = []
        for line in tail.split("\n"):
            article = re.fullmatch(r"- \[[^\]]*\]\((\w+)\.md\)", line)
            symbol = re.fullmatch(r"- `([^`]+)`", line)
            if article and article.group(1) in self.abstracts:
                line += ": " + self.plain(self.abstracts[article.group(1)])
            elif symbol:
                line = self.symbol(symbol.group(1))
                if line in lines:
                    continue  # another overload
            lines.append(re.sub(r"^### ", "## ", line))
        return head + "\n".join(lines)

    def plain(self, text):
        return self.prose(text, LANDING)

    def symbol(self, signature):
        """`- [Name](its file): the first sentence of its documentation`"""
        if self.declarations is None:
            self.declarations = {}
            for path in sorted(self.files):
                if re.match(r"Sources/Signal(?:Bridge|Daemon)/.*\.swift$", path):
                    for found in re.finditer(
                        r"((?:^[ \t]*///.*\n)+)(?:^[ \t]*@.*\n)*^(?:@\S+ )*public (?:\w+ )*?(?:struct|class|enum|actor|protocol|func|typealias) (\w+)",
                        read(path),
                        re.M,
                    ):
                        summary = " ".join(re.sub(r"^\s*/// ?", "", line) for line in found.group(1).split("\n\n")[0].strip().split("\n"))
                        summary = re.split(r"(?<=[.!?])\s|  ", summary.strip())[0]
                        self.declarations.setdefault(found.group(2), (path, summary))
        name = re.match(r"\w+", signature).group()
        shown = f"{name}" if "(" not in signature else f"{name}(…)"
        if name not in self.declarations:
            self.problems.append(f"{self.source(LANDING)}: {signature} is declared nowhere")
            return f"- `{signature}`"
        path, summary = self.declarations[name]
        return f"- [`{shown}`]({UP}{path}): {self.plain(summary)}"

    @staticmethod
    def levels(text):
        """Without "Overview", which says nothing on a plain page; what follows it moves one level up."""
        out, raised = [], False
        for is_code, lines in split_code(text):
            for line in lines:
                if not is_code:
                    if line == "## Overview":
                        raised = True
                        continue
                    if line.startswith("## "):
                        raised = False
                    elif raised and line.startswith("###"):
                        line = line[1:]
                    line = re.sub(r"^# `(.+)`$", r"# \1", line)
                out.append(line)
        return "\n".join(out)

    def pages(self):
        return {f"{GUIDE}/{self.target(name)}": self.convert(name) for name in self.articles}


def brief(symbol):
    """A code host does not break a long name, which would widen a table."""
    return re.sub(r"\(.+\)$", "(…)", symbol) if len(symbol) > 40 else symbol


def slug(heading):
    """The anchor that a code host gives a heading."""
    heading = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip())
    heading = re.sub(r"[`*]", "", heading).lower()
    return re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")


def anchors(text):
    found = {}
    for is_code, lines in split_code(text):
        for line in lines if not is_code else []:
            match = re.match(r"#{1,6} +(.*?)(?: #+)?$", line)
            if match:
                name = slug(match.group(1))
                found[name] = found.get(name, -1) + 1
    names = set()
    for name, count in found.items():
        names.update([name] + [f"{name}-{i}" for i in range(1, count + 1)])
    return names | set(re.findall(r'<a (?:name|id)="([^"]+)"', text))


def links(text):
    """(line, target) of each link and image outside of code."""
    number = 0
    for is_code, lines in split_code(text):
        for line in lines:
            number += 1
            if is_code:
                continue
            bare = re.sub(r"(`+)[^`]+?\1", "`code`", line)
            for target in re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", bare):
                yield number, target
            for target in re.findall(r"^\[[^\]]+\]:\s+(\S+)", bare):
                yield number, target
            for target in re.findall(r'(?:src|href|srcset)="([^"]+)"', bare):
                yield number, target


def check_links(guide, files):
    """Links between files, and the anchors in them. Links to elsewhere are not followed."""
    known = {}
    for path, text in sorted(files.items()):
        in_catalogue = path.startswith(CATALOGUE + "/")
        for number, target in links(text):
            if re.match(r"[a-z][a-z+.-]*:", target) or target.startswith("//"):
                continue
            place, _, anchor = target.partition("#")
            if ".docc/" in path and place.startswith("/documentation/"):
                if place not in guide.sites and not in_catalogue:  # convert() has looked up those of the catalogue
                    guide.problems.append(f"{path}:{number}: {target} is no article")
                continue
            if in_catalogue and place and "/" not in place and (place in guide.images or place + ".svg" in guide.images):
                continue
            full = os.path.normpath(os.path.join(os.path.dirname(path), place)) if place else path
            if full not in guide.files and full not in guide.folders and full not in files and full != ".":
                guide.problems.append(f"{path}:{number}: {target} does not exist")
                continue
            if full in guide.folders and f"{full}/README.md" in files:
                full = f"{full}/README.md"
            if anchor and full.endswith(".md"):
                if full not in known:
                    known[full] = anchors(files.get(full) or read(full))
                if anchor not in known[full]:
                    guide.problems.append(f"{path}:{number}: {target}: no heading has this anchor")


def check():
    guide = Guide()
    pages = guide.pages()
    stale = 0
    for path in sorted(set(pages) | {file for file in guide.files if file.startswith(GUIDE + "/")}):
        have = read(path) if path in guide.files else ""
        want = pages.get(path, "")
        if have != want:
            stale += 1
            sys.stdout.writelines(
                line if line.endswith("\n") else line + "\n"
                for line in difflib.unified_diff(have.splitlines(True), want.splitlines(True), path, f"{path} (as `make guide` writes it)", n=1)
            )
    files = {path: read(path) for path in guide.files if path.endswith(".md") and not path.startswith("Tests/expected/")}
    check_links(guide, {**files, **pages})
    for problem in guide.problems:
        print(problem)
    if stale:
        print(f"{stale} files of {GUIDE} are out of date: run `make guide`")
    return bool(stale or guide.problems)


def write():
    guide = Guide()
    pages = guide.pages()
    for problem in guide.problems:
        print(problem)
    os.makedirs(os.path.join(ROOT, GUIDE), exist_ok=True)
    for path, text in pages.items():
        with open(os.path.join(ROOT, path), "w", encoding="utf-8") as file:
            file.write(text)
    for path in guide.files:
        if path.startswith(GUIDE + "/") and path not in pages:
            os.remove(os.path.join(ROOT, path))
    return bool(guide.problems)


def self_test():
    guide = Guide()
    failed = 0

    def expect(what, have, want):
        nonlocal failed
        if have != want:
            failed += 1
            print(f"FAIL {what}: {have!r}, not {want!r}")

    expect("symbol", guide.prose("``SignalEvent/count`` and `x`", "Loops"), "`SignalEvent.count` and `x`")
    expect("long symbol", guide.prose("``SignalWaiter/insert(_:escalateAfterUnread:)``", "Loops"), "`SignalWaiter.insert(…)`")
    expect("article", guide.prose("see <doc:Loops>, `<doc:Loops>`", "Loops"), "see [A thread's run loop](Loops.md), `<doc:Loops>`")
    expect("file", guide.prose("`Makefile/x`, `Tests/tools/guide.py`", "Loops"), f"`Makefile/x`, [`Tests/tools/guide.py`]({UP}Tests/tools/guide.py)")
    expect("page", guide.prose("[x](/documentation/signaldaemon/daemon)", "Loops"), f"[x]({UP}Sources/SignalDaemon/Daemon/Daemon.swift)")
    expect("dropped", guide.directives("a\n@Metadata {\n    @TitleHeading(\"x\")\n}\nb", "Loops"), "a\nb")
    expect("unwrapped", guide.directives("@Row {\n    @Column {\n        text\n    }\n}", "Loops"), "text")
    expect("code", guide.directives("```swift\n@Sendable func f() {\n}\n```", "Loops"), "```swift\n@Sendable func f() {\n}\n```")
    expect("levels", guide.levels("# A\n## Overview\n### B\n## C\n### D"), "# A\n## B\n## C\n### D")
    expect("slug", slug("What `add` does, and `x_y`: a–b"), "what-add-does-and-x_y-ab")
    expect("anchors", anchors("# A\n## A\n```\n# B\n```"), {"a", "a-1"})
    expect("links", list(links("[a](b.md#c) `[x](y)`\n![i](j.svg)")), [(1, "b.md#c"), (2, "j.svg")])
    unknown = len(guide.problems)
    guide.prose("<doc:nowhere>", "Loops")
    check_links(guide, {"docs/x.md": "[a](../README.md#no-such-heading)\n[b](nothing.md)\n[c](../docs)\n"})
    expect("problems", len(guide.problems) - unknown, 3)
    print("self-test: " + ("failed" if failed else "passed"))
    return bool(failed)


if __name__ == "__main__":
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    actions = {"": write, "--check": check, "--self-test": self_test}
    if command not in actions:
        sys.exit(__doc__)
    sys.exit(1 if actions[command]() else 0)
