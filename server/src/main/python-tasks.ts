import type { Manifest, TaskSpec } from "@holdfast/protocol";

/** A Python task, as far as it can be held against its code without running any. */
export interface PythonTask {
  readonly id: string;
  /** A `.py` file relative to the root, or the dotted name of a module. */
  readonly module: string;
  readonly name: string;
  /** What its input may have; null: nobody says. */
  readonly fields: readonly string[] | null;
}

/** Each Python task of the manifests once. */
export function pythonTasksOf(manifests: readonly Manifest[]): PythonTask[] {
  const tasks = new Map<string, PythonTask>();
  for (const spec of manifests.flatMap(({ definitions }) => Object.values(definitions))) {
    if (spec.kind !== "task" || spec.executor !== "python") continue;
    const { module, export: name } = spec.source;
    const task = { id: spec.id, module, name, fields: fieldsOf(spec) };
    tasks.set(JSON.stringify(task), task);
  }
  return [...tasks.values()];
}

export function isFile({ module }: PythonTask): boolean {
  return module.endsWith(".py");
}

/** Of a schema that names its properties, and of others says nothing or that there are none. */
function fieldsOf({ input }: TaskSpec): readonly string[] | null {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return null;
  const { type, properties, additionalProperties } = input as Readonly<Record<string, unknown>>;
  const isNamed = typeof properties === "object" && properties !== null && !Array.isArray(properties);
  return type === "object" && isNamed && (additionalProperties ?? false) === false ? Object.keys(properties) : null;
}

/**
 * What Python says of files and of the functions of tasks, in words of every Python 3, so that an old one can say how old it is.
 * Files are read and modules looked for, nothing is imported. How an input becomes arguments: python/src/holdfast_sdk/calling.py.
 */
export const pythonScript = `
import ast, json, os, sys
root, tasks = json.load(sys.stdin)
sys.path.insert(0, root)
problems, parsed = [], {}

def parse(file):
    if file not in parsed:
        parsed[file] = None
        try:
            with open(os.path.join(root, file), "rb") as source:
                parsed[file] = ast.parse(source.read(), file)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            message = getattr(error, "msg", None) or str(error)
            problems.append({"file": file, "line": line, "message": "Python cannot read it: %s" % message})
        except OSError:
            pass
    return parsed[file]

def find(name):
    """Where the code of a module lies: None: it is not there; "": it is, and is no file of the project."""
    path, at = None, None
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        dotted = ".".join(parts[:count])
        specs = (finder.find_spec(dotted, path) for finder in sys.meta_path)
        at = next((each for each in specs if each is not None), None)
        if at is None:
            return None
        path = at.submodule_search_locations
        if path is None and count < len(parts):
            return None
    inside = at.origin and at.origin.startswith(root + os.sep) and at.origin.endswith(".py")
    return os.path.relpath(at.origin, root) if inside else ""

def named(node):
    return getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "value", None)

def is_ctx(argument):
    kind = argument.annotation
    return argument.arg == "ctx" or (kind is not None and str(named(kind)).endswith("Context"))

def yields(body):
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, (ast.Yield, ast.YieldFrom)) or yields(ast.iter_child_nodes(node)):
            return True
    return False

def missing(function, fields):
    """Parameters that nobody gives anything."""
    given = function.args
    plain = getattr(given, "posonlyargs", []) + given.args
    without = plain[: len(plain) - len(given.defaults)]
    without += [each for each, default in zip(given.kwonlyargs, given.kw_defaults) if default is None]
    inputs = [each for each in plain + given.kwonlyargs if not is_ctx(each)]
    scalars = ("int", "float", "str", "bool", "bytes")
    if len(inputs) == 1 and given.kwarg is None and (inputs[0].annotation is None or named(inputs[0].annotation) not in scalars):
        return []
    return [each.arg for each in without if not is_ctx(each) and each.arg not in fields]

def is_plain(decorators):
    return all(named(getattr(each, "func", each)) == "task" for each in decorators)

def check(task, file):
    tree = parse(file)
    found = None
    for node in tree.body if tree else []:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == task["name"]:
            found = node
        elif isinstance(node, ast.Assign) and any(named(each) == task["name"] for each in node.targets):
            found = node
    if found is None:
        return
    wrong, hint = None, None
    if isinstance(found, ast.Assign):
        if isinstance(found.value, (ast.Constant, ast.List, ast.Dict, ast.Set, ast.Tuple, ast.JoinedStr)):
            wrong, hint = "is no function", "Name a function: def %s(...)." % task["name"]
    elif is_plain(found.decorator_list):
        if yields(found.body):
            wrong, hint = "is a generator", "A task's body returns its result, it does not yield."
        elif task["fields"] is not None:
            lacking = missing(found, task["fields"])
            if lacking:
                wrong = "has the parameter %s, which its input does not have" % ", ".join('"%s"' % each for each in lacking)
                known = ", ".join('"%s"' % each for each in task["fields"]) or "nothing"
                hint = "Its input has %s: add it there (input_type), or give the parameter a default." % known
    if wrong:
        problems.append({"file": file, "line": found.lineno, "message": 'task "%s": %s %s' % (task["id"], task["name"], wrong), "hint": hint})

for task in tasks:
    file = task["module"] if task["module"].endswith(".py") else find(task["module"])
    if file is None:
        hint = "Name a file of the project (file: clean.py), or install the module for the Python that runs it."
        problems.append({"file": "", "line": 0, "message": 'task "%s": there is no module %s' % (task["id"], task["module"]), "hint": hint})
    elif file:
        check(task, file)
print(json.dumps({"version": list(sys.version_info[:3]), "problems": problems}))
`;
