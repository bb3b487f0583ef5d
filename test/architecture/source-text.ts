import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One source file: its path from the root with `/` between names, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A string in quotes, a template, or a comment; whichever begins first. Good enough for formatted code, not a parser. */
const LEXEME = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

const isComment = (lexeme: string): boolean => lexeme.startsWith("//") || lexeme.startsWith("/*");
const blank = (lexeme: string): string => lexeme.replace(/[^\n]/g, " ");

/** The code with comments blanked, so that every character keeps its line. */
export function withoutComments(text: string): string {
  return text.replace(LEXEME, (lexeme) => (isComment(lexeme) ? blank(lexeme) : lexeme));
}

/** The code with comments and the insides of quoted strings blanked. Templates stay, because they hold code as well. */
export function codeOnly(text: string): string {
  return text.replace(LEXEME, (lexeme) => {
    if (lexeme.startsWith("`")) return lexeme;
    return isComment(lexeme) ? blank(lexeme) : `"${blank(lexeme.slice(1, -1))}"`;
  });
}

/** The comments with everything else blanked. */
export function commentsOnly(text: string): string {
  let out = "";
  let end = 0;
  for (const match of text.matchAll(LEXEME)) {
    if (!isComment(match[0])) continue;
    out += blank(text.slice(end, match.index)) + match[0];
    end = match.index + match[0].length;
  }
  return out + blank(text.slice(end));
}

/** The line (from 1) at which `index` of `text` lies. */
export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < index; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}

/**
 * Every file below the `directories` of `root` whose name ends with one of `endings`, in stable order.
 * A directory that is not there holds no files: callers refuse to have seen none.
 */
export function readSources(root: string, directories: readonly string[], endings: readonly string[]): SourceFile[] {
  const files: SourceFile[] = [];
  for (const directory of directories.filter((name) => existsSync(join(root, name)))) {
    for (const entry of readdirSync(join(root, directory), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !endings.some((ending) => entry.name.endsWith(ending))) continue;
      const full = join(entry.parentPath, entry.name);
      const path = full.slice(root.length).replaceAll("\\", "/").replace(/^\/+/, "");
      files.push({ path, text: readFileSync(full, "utf8") });
    }
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}
