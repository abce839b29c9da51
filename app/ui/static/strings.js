// The words of the page in the chosen language; the table itself lives on the server (strings.toml).
let words = {};

export function useWords(table) {
  words = table;
}

export function t(key, params = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole));
}

export function number(value, digits = 0) {
  return Number(value).toLocaleString(document.documentElement.lang || "en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

export function size(characters) {
  if (characters >= 1e6) return `${number(characters / 1e6, 1)} M`;
  if (characters >= 1e3) return `${number(characters / 1e3)} k`;
  return number(characters);
}
