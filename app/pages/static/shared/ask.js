// What the plain pages share: asking the server in JSON, saying in the reader's words what came of it, and the
// buttons for light or dark, for the language and for showing a password.
import { language, t } from './words.js';

export const refusal = (said) => {
  if (typeof said?.detail !== 'string') return t('Something of what you typed is missing or too long.');
  return t(said.template ?? said.detail, said.values);
};

// The answer's JSON, null if it has none. Throws an Error with words; its status is the answer's, if there was one.
export const ask = async (method, path, body) => {
  let answer;
  let said = null;
  try {
    const headers = { 'content-type': 'application/json' };
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    if (answer.status !== 204) said = await answer.json();
  } catch {
    throw new Error(t('The server does not answer. Try again in a moment.'));
  }
  if (!answer.ok) throw Object.assign(new Error(refusal(said)), { status: answer.status });
  return said;
};

// The same of who is signed in; where that has ended it leads to the page to sign in again.
export const askSignedIn = async (method, path, body) => {
  try {
    return await ask(method, path, body);
  } catch (error) {
    if (error.status === 401) location.assign('/sign-in/?why=session');
    throw error;
  }
};

// Runs `work` when a form is sent, once at a time, and puts what goes wrong where the form says.
export const onSubmit = (form, work) => form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = form.querySelector('button:not([type="button"])');
  const alert = form.querySelector('[role="alert"]');
  if (button.disabled) return;
  button.disabled = true;
  alert.textContent = '';
  try {
    await work();
  } catch (error) {
    alert.textContent = error.message;
  }
  button.disabled = false;
});

// Runs `work` for a button that cannot be pressed meanwhile. Such a button loses the focus, which then comes back to it.
export const whilePressed = async (button, work) => {
  const focused = document.activeElement === button;
  button.disabled = true;
  try {
    await work();
  } finally {
    button.disabled = false;
    if (focused && document.activeElement === document.body) button.focus();
  }
};

for (const button of document.querySelectorAll('[data-show]')) {
  const input = button.parentElement.querySelector('input');
  button.addEventListener('click', () => {
    const hidden = input.type === 'password';
    input.type = hidden ? 'text' : 'password';
    button.textContent = hidden ? t('Hide') : t('Show');
  });
}
for (const button of document.querySelectorAll('[data-mode-toggle]')) button.addEventListener('click', () => window.prefloopMode.toggle());
for (const button of document.querySelectorAll('[data-language]')) {
  const other = language === 'zh' ? ['en', 'English'] : ['zh', '中文'];
  [button.lang, button.textContent] = other;
  button.addEventListener('click', () => window.prefloopTexts.choose(other[0]));
}
