/** A value that must not be found, and what it is. */
export interface Needle {
  readonly what: string;
  readonly value: Buffer;
}

/** Bytes that are searched, and where they come from. */
export interface Haystack {
  readonly where: string;
  readonly bytes: Buffer;
}

/** Shorter values would be found by chance. */
const MIN_BYTES = 8;

export function needle(what: string, value: string | Uint8Array): Needle {
  const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : Buffer.from(value);
  if (bytes.length < MIN_BYTES) throw new Error(`${what} is too short to be searched for`);
  return { what, value: bytes };
}

/** Every place where a value lies open or in a common encoding, one line each. */
export function leaksIn(haystacks: readonly Haystack[], needles: readonly Needle[]): string[] {
  const leaks: string[] = [];
  for (const { what, value } of needles)
    for (const [encoding, form] of formsOf(value))
      for (const { where, bytes } of haystacks) if (bytes.includes(form)) leaks.push(`${what} as ${encoding} in ${where}`);
  return leaks;
}

/** How a value may lie about: as it is, as UTF-16, as hex, inside a base64 text, and as JSON and URLs write it. */
function formsOf(value: Buffer): readonly (readonly [string, Buffer])[] {
  const forms: (readonly [string, Buffer])[] = [
    ["it is", value],
    ["hex", Buffer.from(value.toString("hex"))],
    ["upper-case hex", Buffer.from(value.toString("hex").toUpperCase())],
  ];
  for (const shift of [0, 1, 2]) {
    const text = base64Inside(value, shift);
    forms.push(["base64", Buffer.from(text)]);
    if (/[+/]/.test(text)) forms.push(["base64url", Buffer.from(text.replaceAll("+", "-").replaceAll("/", "_"))]);
  }
  const text = value.toString("utf8");
  // A key's bytes are no text.
  if (!Buffer.from(text, "utf8").equals(value)) return forms;
  forms.push(["UTF-16", Buffer.from(text, "utf16le")]);
  const quoted = JSON.stringify(text).slice(1, -1);
  if (quoted !== text) forms.push(["JSON", Buffer.from(quoted)]);
  const inUrl = encodeURIComponent(text);
  if (inUrl !== text) forms.push(["part of a URL", Buffer.from(inUrl)]);
  return forms;
}

/** What is certain of the base64 of a longer text in which `value` begins at a position that leaves `shift` when divided by three. */
function base64Inside(value: Buffer, shift: number): string {
  const text = Buffer.concat([Buffer.alloc(shift), value]).toString("base64");
  return text.slice(shift === 0 ? 0 : shift + 1, Math.floor(((shift + value.length) * 8) / 6));
}
