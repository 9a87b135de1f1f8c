/** The binding of a class in the tests' Workers: `HAND_ROWS_100` for `HandRows100`. */
export function bindingOf(name) {
  return name.replaceAll(/(?<=[a-z])(?=[A-Z0-9])/g, "_").toUpperCase();
}
