"""Reading the tree: which files there are, and C++ text without comments and literals."""

import ast
import os
import re

SKIPPED_FOLDERS = {".git", ".cache", "__pycache__", "build", "data", "node_modules"}
CPP = (".cc", ".h")


class File:
    """One text file; `path` is relative to the repository, with forward slashes."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), "rb") as stream:
            self.text = stream.read().decode("utf-8")
        self._code = None

    @property
    def lines(self):
        return self.text.splitlines()

    @property
    def code(self):
        """The text with comments and literals blanked; line numbers stay true."""
        if self._code is None:
            self._code = blank_comments_and_literals(self.text)
        return self._code

    def is_cpp(self):
        return self.path.endswith(CPP)

    def is_python(self):
        return self.path.endswith(".py") or re.match(r"#!.*python", self.text) is not None

    def is_shell(self):
        return self.path.endswith(".sh") or re.match(r"#!.*\b(ba)?sh\b", self.text) is not None


def read_tree(root):
    """Every text file below root, sorted by path. Binary files (fuzz inputs) are left out."""
    files = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if name not in SKIPPED_FOLDERS]
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), root)
            if path.startswith("tests/fuzz/corpus/"):
                continue
            try:
                files.append(File(root, path))
            except UnicodeDecodeError:
                continue
    return sorted(files, key=lambda file: file.path)


TOKEN = re.compile(
    r"""
    //[^\n]*
  | /\*.*?\*/
  | (?:u8|u|U|L)?R"(?P<fence>[^()\\\s]*)\(.*?\)(?P=fence)"
  | "(?:\\.|[^"\\\n])*"
  | (?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'
    """,
    re.VERBOSE | re.DOTALL,
)


def blank_comments_and_literals(text):
    def blank(match):
        token = match.group(0)
        line_start = text.rfind("\n", 0, match.start()) + 1
        if text[line_start : match.start()].strip() == "#include":
            return token
        quote = token[0] if token[0] in "\"'" else " "
        middle = re.sub(r"[^\n]", " ", token[1:-1])
        return quote + middle + quote if len(token) > 1 else token

    return TOKEN.sub(blank, text)


INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def includes(file):
    """(line, header, quoted) of each #include."""
    for match in INCLUDE.finditer(file.code):
        yield line_of(file.code, match.start()), match.group(2), match.group(1) == '"'


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def functions(file):
    """(line, name, length in lines) of each function, from its signature to its closing brace."""
    if file.is_cpp():
        yield from _cpp_functions(file.code)
    elif file.is_python():
        for node in ast.walk(ast.parse(file.text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.lineno, node.name, node.end_lineno - node.lineno + 1


SCOPE = re.compile(r"(?:inline\s+)?(?:namespace|class|struct|union|extern)\b")
NOT_PART_OF_A_HEAD = re.compile(
    r"\b(?:public|private|protected)\s*:(?!:)|\[\[.*?\]\]|\balignas\s*\(.*?\)", re.DOTALL
)
NAME = re.compile(r"([~\w:]*operator\s*[^\s\w(]+|[~\w:]+)\s*\(")


def _cpp_functions(code):
    code = _blank(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", code)  # the braces of a macro need not pair
    start = 0  # of the declaration that is being read
    position = 0
    while position < len(code):
        if code[position] in ";}":
            start = position + 1
        elif code[position] == "{":
            head = _blank(NOT_PART_OF_A_HEAD, code[start:position])
            if _is_scope(head):
                start = position + 1
            else:
                end = _matching_brace(code, position)
                if _is_function(head) and not code[end + 1 :].lstrip().startswith((",", "{")):
                    first = line_of(code, start + len(head) - len(head.lstrip()))
                    yield first, NAME.search(head).group(1), line_of(code, end) - first + 1
                    start = end + 1
                position = end
        position += 1


def _blank(pattern, text):
    blank = lambda match: re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(pattern, blank, text, flags=0 if hasattr(pattern, "sub") else re.MULTILINE)


def _is_scope(head):
    """Whether the brace after `head` encloses declarations: a namespace or a type."""
    declaration = re.sub(r"^template\s*<.*?>\s+(?=\w)", "", head.strip(), flags=re.DOTALL)
    return SCOPE.match(declaration) is not None and "(" not in declaration


def _is_function(head):
    """Has parameters and is not the initializer of a variable."""
    depth = 0
    for offset, character in enumerate(head):
        if character in "()":
            depth += 1 if character == "(" else -1
        elif character == "=" and depth == 0 and "operator" not in head[:offset]:
            return False
    return NAME.search(head) is not None


def _matching_brace(code, position):
    depth = 0
    for brace in re.finditer(r"[{}]", code[position:]):
        depth += 1 if brace.group(0) == "{" else -1
        if depth == 0:
            return position + brace.start()
    return len(code) - 1
