/** An sRGB colour as six lower-case hexadecimal digits: `#1a56db`. */
export type Colour = string;

/** What the hosted pages are painted on. Every colour an organisation chooses has to be told apart from these. */
export const LIGHT_GROUND: Colour = "#ffffff";
export const DARK_GROUND: Colour = "#14181f";
/** The least contrast of text with what it stands on (WCAG 2.2, success criterion 1.4.3). */
export const LEAST_CONTRAST = 4.5;

/** The relative luminance of a colour, 0 to 1 (WCAG 2.2, definition of relative luminance). */
function luminance(colour: Colour): number {
  const channel = (at: number): number => {
    const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

/** The contrast ratio of two colours, 1 to 21 (WCAG 2.2, definition of contrast ratio). */
export function contrastOf(a: Colour, b: Colour): number {
  const [darker = 0, lighter = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (lighter + 0.05) / (darker + 0.05);
}

/** Black or white, whichever reads better on a colour: never less than 4.58 to 1, whatever the colour. */
export function inkOn(colour: Colour): Colour {
  return contrastOf(colour, "#ffffff") >= contrastOf(colour, "#000000") ? "#ffffff" : "#000000";
}
