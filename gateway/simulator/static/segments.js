/** How many SMS a text costs: the same answer as parsers/segments.py gives. */

const BASIC = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
const EXTENDED = new Set("\f^{}\\[~]|€");
const LAST_BMP = 0xffff;

/** Measure a text as a phone network would cut it. */
export function measure(text) {
  const characters = Array.from(text);
  const isGsm7 = characters.every((one) => BASIC.has(one) || EXTENDED.has(one));
  const costs = characters.map((one) =>
    (isGsm7 ? EXTENDED.has(one) : one.codePointAt(0) > LAST_BMP) ? 2 : 1,
  );
  const [single, part] = isGsm7 ? [160, 153] : [70, 67];
  const units = costs.reduce((sum, cost) => sum + cost, 0);
  const segments = parts(costs, units, single, part);
  return {
    encoding: isGsm7 ? "GSM-7" : "UCS-2",
    units,
    segments,
    room: segments === 1 ? single : segments * part,
  };
}

/** Fill parts greedily: a pair never stands half in one part and half in the next. */
function parts(costs, units, single, part) {
  if (units <= single) return 1;
  let count = 1;
  let room = part;
  for (const cost of costs) {
    if (cost > room) {
      count += 1;
      room = part;
    }
    room -= cost;
  }
  return count;
}

/** Say it as the page shows it. */
export function counted(text) {
  const { encoding, units, segments, room } = measure(text);
  return `${units}/${room} · ${segments} SMS · ${encoding}`;
}
