// Light or dark: follows the system until somebody chooses. Sets data-mode on <html>, and Gradio's own
// `dark` on <body>, before the first paint and whenever either changes.
(() => {
  const stored = 'prefloop-mode';
  const system = matchMedia('(prefers-color-scheme: dark)');
  const mode = () => localStorage.getItem(stored) ?? (system.matches ? 'dark' : 'light');
  const apply = () => {
    const dark = mode() === 'dark';
    document.documentElement.dataset.mode = mode();
    document.documentElement.style.colorScheme = mode();
    if (document.body && document.body.classList.contains('dark') !== dark) document.body.classList.toggle('dark', dark);
  };
  window.prefloopMode = {
    toggle() {
      const next = mode() === 'dark' ? 'light' : 'dark';
      if ((next === 'dark') === system.matches) localStorage.removeItem(stored); // back to what the system says
      else localStorage.setItem(stored, next);
      apply();
    },
  };
  system.addEventListener('change', apply);
  const watchBody = () => {
    apply();
    new MutationObserver(apply).observe(document.body, { attributes: true, attributeFilter: ['class'] });
  };
  apply();
  if (document.body) watchBody();
  else document.addEventListener('DOMContentLoaded', watchBody);
})();
