// Amounts are integers in minor units; how many of them make one is the currency's: 100 for EUR, 1 for JPY.

/**
 * Decimals of the minor unit, where they are not two: those of ISO 4217, List One. What a browser knows of a currency is how
 * people write it, often without decimals that its minor unit has: 1,250.00 forints as 1,250.
 */
const DECIMALS = new Map([
  [0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"], [3, "BHD IQD JOD KWD LYD OMR TND"], [4, "CLF UYW"],
].flatMap(([digits, codes]) => codes.split(" ").map(code => [code, digits])));

const formats = new Map();

function of(currency) {
  if (!formats.has(currency)) {
    const digits = DECIMALS.get(currency) ?? 2;
    const format = new Intl.NumberFormat(undefined, { style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits });
    formats.set(currency, { format, digits });
  }
  return formats.get(currency);
}

/** The decimal number as text, exact however large it is. */
export function decimal(minor, currency) {
  const { digits } = of(currency);
  const [sign, all] = String(minor).startsWith("-") ? ["-", String(minor).slice(1)] : ["", String(minor)];
  if (digits === 0) return sign + all;
  const padded = all.padStart(digits + 1, "0");
  return `${sign}${padded.slice(0, -digits)}.${padded.slice(-digits)}`;
}

export const money = (minor, currency) => of(currency).format.format(decimal(minor, currency));

/** A number of whole units, shortly: for axes. */
export function compact(value, currency) {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency, notation: "compact", minimumFractionDigits: 0, maximumFractionDigits: 1 });
  return format.format(value);
}

/** Currencies by their share, largest first. */
export const byCurrency = sums => Object.entries(sums).sort(([a, x], [b, y]) => Number(y) - Number(x) || a.localeCompare(b));
