// Every page's words in the reader's language. The English words are the keys: what has no entry stays English.
// Elements say which of their words are to be read: data-t (their text), data-t-title, data-t-placeholder, ...
(() => {
  const tables = { zh: '@zh@' };
  const stored = 'prefloop-language';
  const known = (tag) => tag === 'en' || tag in tables;
  const wanted = () => [localStorage.getItem(stored), ...navigator.languages].map((tag) => (tag ?? '').slice(0, 2));
  const language = wanted().find(known) ?? 'en';
  const tagged = language === 'zh' ? 'zh-Hans' : language;
  const fill = (words, values) => words.replace(/\{(\w+)\}/g, (hole, name) => values?.[name] ?? hole);
  const t = (words, values) => fill(tables[language]?.[words] ?? words, values);
  const translate = (root) => {
    for (const node of root.querySelectorAll('[data-t]')) node.textContent = t(node.textContent.trim());
    for (const name of ['title', 'placeholder', 'aria-label']) {
      for (const node of root.querySelectorAll(`[data-t-${name}]`)) node.setAttribute(name, t(node.getAttribute(name)));
    }
  };
  const choose = (tag) => { localStorage.setItem(stored, tag); location.reload(); };
  window.prefloopTexts = { t, translate, choose, language };
  const page = document.documentElement;
  const speak = () => { if (page.lang !== tagged) page.lang = tagged; };
  speak();
  new MutationObserver(speak).observe(page, { attributeFilter: ['lang'] }); // Gradio puts the browser's there
  document.addEventListener('readystatechange', () => translate(document), { once: true }); // parsed, no module has run
})();
