/** Small helpers to build a page without ever writing text as markup. */

/** Make an element: attributes, then children; strings become text. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const timeZone = document.querySelector("main").dataset.timezone;

/** Say a moment as a clock in the villages does. */
export function clock(moment) {
  const parts = { hour: "2-digit", minute: "2-digit", timeZone };
  return new Date(moment).toLocaleTimeString("id-ID", parts);
}

let count = 0;
/** An id that no other element has. */
export function freshId(prefix) {
  count += 1;
  return `${prefix}-${count}`;
}

/** Wait. */
export function wait(milliseconds) {
  return new Promise((done) => {
    setTimeout(done, milliseconds);
  });
}
