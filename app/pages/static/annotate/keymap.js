// Which key does what, by habit. A pick is one of 1-5, 0, s; everything else is an action of the board.
// atOnce: a pick is the judgment; else it is chosen, and another key sends it.
const COMMON = {
  g: 'guide', r: 'remarks', e: 'edit', f: 'flag', t: 'plain', d: 'difference', l: 'together', h: 'history', p: 'write',
  c: 'continue', z: 'pause', m: 'menu', '?': 'help', 'ctrl+enter': 'submit',
};
const KEYMAPS = {
  prefloop: {
    name: 'prefloop', atOnce: true,
    keys: { enter: 'submit', ...COMMON, 1: '1', 2: '2', 3: '3', 4: '4', 5: '5', 0: '0', s: 's', u: 'undo' },
  },
  argilla: {
    name: 'Argilla', atOnce: false,
    keys: { enter: 'submit', ...COMMON, 1: '2', 2: '4', 3: '3', 0: '0', backspace: 's', u: 'undo' },
  },
  labelstudio: {
    name: 'Label Studio', atOnce: false,
    keys: { ...COMMON, 1: '1', 2: '2', 3: '3', 4: '4', 5: '5', 0: '0', 'ctrl+space': 's', 'ctrl+z': 'undo' },
  },
};
const KEYMAP = 'prefloop-keymap';
const keymap = () => KEYMAPS[localStorage.getItem(KEYMAP)] ?? KEYMAPS.prefloop;

const NAMES = { ' ': 'space' };
// Digits by place, since some layouts need Shift for them; everything else by what is printed on the key.
const keyOf = (event) => {
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code)?.[1];
  const key = digit ?? NAMES[event.key] ?? event.key.toLowerCase();
  return event.ctrlKey || event.metaKey ? `ctrl+${key}` : key;
};
const keyFor = (action) => Object.entries(keymap().keys).find(([, does]) => does === action)?.[0] ?? '';
const shownKey = (key) => key.split('+').map((part) => part[0].toUpperCase() + part.slice(1)).join('+');

// Reasons have keys of their own, by place: Shift and the row of digits for A, Shift and the row below for B.
const LETTERS = 'QWERTYUIO';
const reasonOf = (event) => {
  if (!event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return null;
  const [, digit, letter] = /^(?:Digit([1-9])|Key([A-Z]))$/.exec(event.code) ?? [];
  if (digit) return { side: 'a', at: Number(digit) - 1 };
  return letter && LETTERS.includes(letter) ? { side: 'b', at: LETTERS.indexOf(letter) } : null;
};
const reasonKey = (side, at) => `Shift+${side === 'a' ? at + 1 : LETTERS[at]}`;
