/** A piece of GoogleSQL. Strings and names carry what they say, without quotes. */
export interface Token {
  readonly kind: "word" | "name" | "string" | "bytes" | "number" | "parameter" | "sign" | "space";
  readonly text: string;
}

/** Text that cannot be read as tokens; `at` is the place of its beginning. */
export class UnreadableSql extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

const patterns: readonly (readonly [Token["kind"], RegExp])[] = [
  ["space", /(?:\s|--[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/)+/y],
  ["name", /`((?:[^`\\]|\\.)+)`/y],
  ["bytes", /(?:[bB][rR]?|[rR][bB])(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')/y],
  ["string", /[rR]?(?:"""([\s\S]*?)"""|'''([\s\S]*?)'''|"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)')/y],
  ["number", /(?:0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)/y],
  ["parameter", /@([A-Za-z_]\w*)|\?/y],
  ["word", /[A-Za-z_]\w*/y],
  ["sign", /<<|>>|<=|>=|<>|!=|\|\||=>|[-+*/%(),.;<>=[\]{}:|&^~!]/y],
];

/** The pieces of a statement, spaces and comments as one blank. */
export function readTokens(sql: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < sql.length) {
    const token = tokenAt(sql, at);
    if (token === undefined)
      throw new UnreadableSql(`Syntax error: Illegal input character ${JSON.stringify(sql[at])}`, at);
    tokens.push({ kind: token.kind, text: token.kind === "space" ? " " : token.text });
    at += token.length;
  }
  return tokens;
}

function tokenAt(sql: string, at: number): (Token & { readonly length: number }) | undefined {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const match = pattern.exec(sql);
    if (match === null) continue;
    const [whole] = match;
    const inner = match.slice(1).find((part) => part !== undefined);
    const isRaw = /^[bB]?[rR]/.test(whole);
    if (kind === "string" || kind === "bytes")
      return { kind, text: isRaw ? (inner ?? "") : withoutEscapes(inner ?? ""), length: whole.length };
    if (kind === "name") return { kind, text: inner ?? "", length: whole.length };
    if (kind === "parameter") return { kind, text: inner ?? "?", length: whole.length };
    return { kind, text: whole, length: whole.length };
  }
  return undefined;
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", v: "\v", a: "\x07" };

function withoutEscapes(text: string): string {
  return text.replaceAll(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)/gs, (_, escaped: string) => {
    const letter = escaped[0] ?? "";
    if (escaped.length > 1 && "xuU".includes(letter))
      return String.fromCodePoint(Number.parseInt(escaped.slice(1), 16));
    if (/^[0-7]{3}$/.test(escaped)) return String.fromCodePoint(Number.parseInt(escaped, 8));
    return escapes[letter] ?? letter;
  });
}
