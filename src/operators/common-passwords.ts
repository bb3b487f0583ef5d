/**
 * The words that passwords are made of, as every published list of leaked ones shows. Most entries of such lists are shorter than
 * the twelve characters asked for; what is long enough is one of these words, once or more, with digits, signs or another of them.
 * So the words are kept, and the forms are recognised: together far more than the usual few thousand entries, without a list of them.
 */
const WORDS: ReadonlySet<string> = new Set(
  (
    "password passwort passwd passw pass word secret secure security welcome willkommen bienvenue bienvenido hello hallo login logon signin " +
    "admin administrator root master user guest test testing tester demo default changeme change letmein access enter open please " +
    "qwerty qwertz azerty qwertyuiop asdfgh asdfghjkl asdf zxcvbn zxcvbnm yxcvbnm qazwsx qaz wsx edc iloveyou ilove love loveyou lovely " +
    "sunshine princess dragon monkey shadow football baseball basketball soccer hockey tennis superman batman spiderman starwars pokemon " +
    "naruto ninja killer hunter ranger trustno whatever freedom internet computer google facebook twitter instagram samsung iphone apple " +
    "android microsoft windows linux oracle cisco server database system network manager office company business work finance bank " +
    "banking banker money dollar euro pound cash credit account payment payments treasury invest investor trading trader broker fintech " +
    "smartfinance smart global national capital online mobile digital cloud service support helpdesk " +
    "summer winter spring autumn fall sommer herbst fruehling january february march april may june july august september october " +
    "november december monday tuesday wednesday thursday friday saturday sunday januar februar maerz mai juni juli oktober dezember " +
    "montag dienstag mittwoch donnerstag freitag samstag sonntag " +
    "london paris berlin munich hamburg frankfurt vienna zurich madrid rome milan amsterdam brussels dublin lisbon newyork chicago boston " +
    "dallas houston texas california florida england france germany deutschland italy spain america canada australia " +
    "michael jennifer jessica jordan thomas robert daniel andrew joshua matthew ashley nicole michelle charlie george william richard " +
    "alexander christian stefan andreas peter martin anna maria laura julia sarah david james john chris alex max sophie emma " +
    "liverpool arsenal chelsea barcelona realmadrid juventus bayern dortmund manchester united yankees cowboys lakers steelers eagles " +
    "ferrari porsche mercedes mustang corvette harley yamaha honda toyota audi bmw volkswagen " +
    "chocolate cookie banana orange cheese pepper coffee ginger flower butterfly purple yellow silver golden diamond crystal " +
    "angel jesus christ blessed heaven family mother father brother sister friend friends forever together " +
    "tiger lion eagle falcon wolf bear panther phoenix mickey snoopy garfield tinkerbell " +
    "correct horse battery staple correcthorsebatterystaple abc abcd abcdef abcdefg one two three " +
    "my your the is me you i am and for a"
  ).split(" "),
);
const LONGEST_WORD = Math.max(...[...WORDS].map((word) => word.length));

/** Digits and signs that stand for letters. */
const LEET: Readonly<Record<string, string>> = {
  "0": "o",
  "1": "i",
  "3": "e",
  "4": "a",
  "5": "s",
  "7": "t",
  "@": "a",
  $: "s",
  "!": "i",
  "|": "l",
};
/** Rows along which fingers wander, and back. */
const ROWS = [
  "01234567890",
  "abcdefghijklmnopqrstuvwxyz",
  "qwertyuiop",
  "asdfghjkl",
  "zxcvbnm",
  "qwertzuiop",
  "yxcvbnm",
  "azertyuiop",
  "qsdfghjklm",
  "wxcvbn",
  "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
];
const WALKS = ROWS.flatMap((row) => [row, Array.from(row).reverse().join("")]);
/** Steps along a row in a row that make a walk. */
const MIN_WALK = 4;

/** Letters and digits of the passwords that this product's own documents show. Who pastes an example has a password that everybody knows. */
const PRINTED: ReadonlySet<string> = new Set(["apasswordofyourown", "plumtractor9sings", "yourpassword", "yourownpassword"]);

/** Whether a password, in NFKC, is one of those that are tried first. */
export function isCommonPassword(password: string): boolean {
  const lower = password.toLowerCase();
  if (PRINTED.has(lower.replace(/[^\p{L}\p{N}]+/gu, ""))) return true;
  if (isRepetition(lower)) return true;
  // The digits and signs around it are decoration, and no letters.
  const core = lower.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, "");
  const unleeted = Array.from(core, (character) => LEET[character] ?? character).join("");
  return isMadeOfWords(lower) || isMadeOfWords(unleeted);
}

/** A text of at most four characters said again and again, the last time perhaps in part. */
function isRepetition(text: string): boolean {
  for (let period = 1; period <= 4; period++) if (text.slice(period) === text.slice(0, text.length - period)) return true;
  return false;
}

/** Whether nothing is left but words, walks, digits and signs, with at most three different pieces of the first two kinds. */
function isMadeOfWords(text: string): boolean {
  const letters = text.replace(/[^\p{L}\p{N}]+/gu, " ");
  const pieces = new Set<string>();
  for (const part of letters.split(" ")) {
    for (const run of part.split(/(\d+)/)) {
      if (run === "" || /^\d+$/.test(run)) continue;
      const found = split(run);
      if (found === undefined) return false;
      for (const piece of found) pieces.add(piece);
    }
  }
  return pieces.size <= 3;
}

/** A run of letters as words and walks, the longest first; `undefined` when something is left over. */
function split(run: string): readonly string[] | undefined {
  const found: string[] = [];
  let at = 0;
  while (at < run.length) {
    const length = Math.max(wordAt(run, at), walkAt(run, at));
    if (length === 0) return undefined;
    found.push(run.slice(at, at + length));
    at += length;
  }
  return found;
}

function wordAt(run: string, at: number): number {
  for (let length = Math.min(LONGEST_WORD, run.length - at); length > 0; length--) if (WORDS.has(run.slice(at, at + length))) return length;
  return 0;
}

function walkAt(run: string, at: number): number {
  let longest = 0;
  for (const walk of WALKS) {
    for (let length = run.length - at; length >= Math.max(MIN_WALK, longest + 1); length--)
      if (walk.includes(run.slice(at, at + length))) {
        longest = length;
        break;
      }
  }
  return longest;
}
