import { rewrites, typeNames } from "./calls.ts";
import { readTokens, type Token } from "./tokens.ts";

// GoogleSQL into DuckDB's SQL, as far as README.md lists it: names in backquotes, strings in either quotes, parameters, types,
// the functions of calls.ts, UNNEST, EXCEPT, OFFSET, and the clauses of CREATE TABLE that say how a table is kept.

export interface Translated {
  readonly sql: string;
  /** What the service calls the statement: `SELECT`, `INSERT`, `CREATE_TABLE_AS_SELECT`… */
  readonly statementType: string;
  /** More than one statement was sent. */
  readonly isScript: boolean;
}

/** What stands in place of a parameter. */
export type ParameterText = (name: string) => string;

export function translate(sql: string, options: { project: string; parameter: ParameterText }): Translated {
  const tokens = readTokens(sql);
  while (tokens.length > 0 && (isSign(tokens.at(-1), ";") || tokens.at(-1)?.kind === "space")) tokens.pop();
  const isScript = tokens.some((token) => isSign(token, ";"));
  const statementType = statementOf(tokens);
  const kept = statementType.startsWith("CREATE_TABLE") ? withoutStorage(tokens) : tokens;
  const hasColumns = statementType === "CREATE_TABLE" || statementType === "ALTER_TABLE";
  return { sql: new Writer(kept, { ...options, hasColumns }).write(), statementType, isScript };
}

const isSign = (token: Token | undefined, text: string) => token?.kind === "sign" && token.text === text;
const isWord = (token: Token | undefined, ...words: string[]) =>
  token?.kind === "word" && words.includes(token.text.toUpperCase());

function statementOf(tokens: readonly Token[]): string {
  const words = tokens
    .filter(({ kind }) => kind !== "space")
    .map(({ kind, text }) => (kind === "word" ? text.toUpperCase() : ""));
  const [first = "", ...others] = words.filter((word) => !["OR", "REPLACE", "TEMP", "TEMPORARY"].includes(word));
  const [second = ""] = others;
  if (first === "WITH" || first === "") return "SELECT";
  if (first === "CREATE" && second === "TABLE")
    return others.includes("SELECT") ? "CREATE_TABLE_AS_SELECT" : "CREATE_TABLE";
  if (["CREATE", "DROP", "ALTER", "TRUNCATE"].includes(first)) return `${first}_${second}`;
  return first;
}

/** PARTITION BY, CLUSTER BY and OPTIONS of a table say how it is kept, which is nothing here. */
function withoutStorage(tokens: readonly Token[]): Token[] {
  const as = tokens.findIndex((token) => isWord(token, "AS"));
  const head = as < 0 ? tokens : tokens.slice(0, as);
  const storage = head.findIndex((token) => isWord(token, "PARTITION", "CLUSTER", "OPTIONS"));
  return storage < 0
    ? [...tokens]
    : [...head.slice(0, storage), { kind: "space", text: " " }, ...tokens.slice(head.length)];
}

class Writer {
  readonly #tokens: readonly Token[];
  readonly #project: string;
  readonly #parameter: ParameterText;
  #at = 0;
  #positional = 0;
  /** Above nought where a word is the name of a type; elsewhere `timestamp` is a column. */
  #types = 0;

  constructor(tokens: readonly Token[], options: { project: string; parameter: ParameterText; hasColumns: boolean }) {
    this.#tokens = tokens;
    this.#project = options.project;
    this.#parameter = options.parameter;
    if (options.hasColumns) this.#types++;
  }

  write(): string {
    return this.#until(() => false);
  }

  /** Writes until a token at this depth fits, and stops in front of it. */
  #until(stop: (token: Token) => boolean): string {
    let out = "";
    for (let token = this.#tokens[this.#at]; token !== undefined && !stop(token); token = this.#tokens[this.#at]) {
      out += this.#next(token);
    }
    return out;
  }

  #next(token: Token): string {
    this.#at++;
    switch (token.kind) {
      case "string":
        return quoted(token.text);
      case "bytes":
        return `CAST(${quoted([...Buffer.from(token.text, "latin1")].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(""))} AS BLOB)`;
      case "parameter":
        return this.#parameter(token.text === "?" ? String(this.#positional++) : token.text);
      case "name":
        return this.#name(token.text.split("."));
      case "word":
        return this.#word(token);
      case "sign":
        return token.text === "["
          ? this.#brackets()
          : token.text === "("
            ? `(${this.#until(closes)}${this.#close()}`
            : token.text;
      case "number":
        // A fraction is a FLOAT64 in GoogleSQL, a DECIMAL in DuckDB.
        return /^[\d.]*\.[\d]*$/.test(token.text) ? `${token.text}e0` : token.text;
      case "space":
        return token.text;
    }
  }

  /** A name of up to three parts; that of the project, which is the only one here, is left out. */
  #name(parts: readonly string[]): string {
    const own = parts.length === 3 && parts[0] === this.#project ? parts.slice(1) : parts;
    return own.map((part) => `"${part.replaceAll('"', '""')}"`).join(".");
  }

  #word(token: Token): string {
    const upper = token.text.toUpperCase();
    const isPart = isSign(this.#tokens[this.#at - 2], ".");
    if (isPart) return token.text;
    if (isSign(this.#tokens[this.#at], "(")) return this.#call(token.text, upper);
    if (token.text === this.#project && isSign(this.#tokens[this.#at], ".")) return this.#withoutProject(token);
    if (upper === "ARRAY" && isSign(this.#tokens[this.#at], "<")) return this.#typedArray();
    if (upper === "STRUCT" && isSign(this.#tokens[this.#at], "<")) return this.#generic((inner) => `STRUCT(${inner})`);
    if (upper === "ARRAY" && isSign(this.#tokens[this.#at], "[")) return "";
    if (upper === "EXCEPT" && isSign(this.#peek(), "(")) return "EXCLUDE";
    const isType = this.#types > 0 || this.#peek()?.kind === "string";
    return isType ? (typeNames[upper] ?? token.text) : token.text;
  }

  /** `CAST(x AS INT64)`, behind its bracket. */
  #cast(): string {
    const value = this.#until((token) => closes(token) || isWord(token, "AS"));
    this.#types++;
    const type = this.#until(closes);
    this.#types--;
    return `${value}${type}${this.#close()}`;
  }

  #withoutProject(token: Token): string {
    const [dataset, dot] = [this.#tokens[this.#at + 1], this.#tokens[this.#at + 2]];
    if (dataset?.kind !== "word" || !isSign(dot, ".")) return token.text;
    this.#at++;
    return "";
  }

  #call(name: string, upper: string): string {
    this.#at++;
    if (upper === "CAST" || upper === "SAFE_CAST") return `${upper === "CAST" ? "CAST" : "TRY_CAST"}(${this.#cast()}`;
    if (upper === "UNNEST") return this.#unnest();
    if (upper === "EXCEPT") return `EXCLUDE (${this.#until(closes)}${this.#close()}`;
    const rewrite = rewrites[upper];
    if (rewrite === undefined) return `${name}(${this.#until(closes)}${this.#close()}`;
    const args: string[] = [];
    do {
      args.push(this.#until((token) => closes(token) || isSign(token, ",")).trim());
    } while (isSign(this.#tokens[this.#at++], ","));
    return rewrite(args.length === 1 && args[0] === "" ? [] : args, name);
  }

  /** `UNNEST(list) AS x` is a table with one column x; in an expression (`IN UNNEST(list)`) it is the list's values. */
  #unnest(): string {
    const before = this.#tokens.slice(0, this.#at - 2).findLast(({ kind }) => kind !== "space");
    const list = this.#until(closes);
    this.#close();
    if (isWord(before, "IN")) return `(SELECT unnest(${list}))`;
    const from = this.#at;
    if (isWord(this.#peek(), "AS")) {
      this.#until((token) => isWord(token, "AS"));
      this.#at++;
    }
    const alias = this.#peek();
    const isAlias = alias?.kind === "name" || (alias?.kind === "word" && !clauses.has(alias.text.toUpperCase()));
    if (!isAlias) {
      this.#at = from;
      return `unnest(${list})`;
    }
    this.#until((token) => token === alias);
    this.#at++;
    return `unnest(${list}) AS _${this.#at}(${alias.text})`;
  }

  /** `x[OFFSET(0)]` counts from nought, DuckDB from one. */
  #brackets(): string {
    const first = this.#peek();
    if (!isWord(first, "OFFSET", "SAFE_OFFSET", "ORDINAL", "SAFE_ORDINAL")) {
      return `[${this.#until((token) => isSign(token, "]"))}${this.#close()}`;
    }
    while (!isSign(this.#tokens[this.#at++], "("));
    const index = this.#until(closes);
    this.#close();
    this.#until((token) => isSign(token, "]"));
    this.#close();
    return isWord(first, "OFFSET", "SAFE_OFFSET") ? `[(${index}) + 1]` : `[${index}]`;
  }

  /** `ARRAY<INT64>` is a type, and with a list behind it a value. */
  #typedArray(): string {
    const type = this.#generic((inner) => `${inner}[]`);
    const list = this.#tokens[this.#at];
    if (!isSign(list, "[") || list === undefined) return type;
    return `CAST(${this.#next(list)} AS ${type})`;
  }

  /** `ARRAY<INT64>`, `STRUCT<a INT64>`. */
  #generic(write: (inner: string) => string): string {
    this.#at++;
    this.#types++;
    const inner = this.#until((token) => isSign(token, ">") || isSign(token, ">>"));
    this.#types--;
    const end = this.#tokens[this.#at];
    // `>>` ends two types at once: its second half is left for the outer one.
    if (isSign(end, ">>")) (this.#tokens as Token[])[this.#at] = { kind: "sign", text: ">" };
    else this.#at++;
    return write(inner);
  }

  #close(): string {
    return this.#tokens[this.#at++]?.text ?? "";
  }

  #peek(): Token | undefined {
    return this.#tokens.slice(this.#at).find(({ kind }) => kind !== "space");
  }
}

const closes = (token: Token) => isSign(token, ")");
const clauses: ReadonlySet<string> = new Set(
  "WHERE GROUP ORDER HAVING LIMIT JOIN LEFT RIGHT FULL INNER CROSS ON USING UNION WITH QUALIFY WINDOW".split(" "),
);

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
