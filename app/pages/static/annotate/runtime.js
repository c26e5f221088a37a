// What the board's scripts share: its root, its named parts, its words.
const root = element.querySelector('.pl');
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const { t } = window.prefloopTexts;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => n.toString(16).padStart(2, '0')).join('');
