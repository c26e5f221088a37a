// Signing in by a link, once somebody presses the button.
import { ask, onSubmit } from '../shared/ask.js';
import { t } from '../shared/words.js';

const form = document.querySelector('form');
const token = new URLSearchParams(location.search).get('token') ?? '';
form.querySelector('button').textContent = t('Sign in as {login}', { login: form.dataset.login });
onSubmit(form, async () => location.replace((await ask('POST', '/auth/link', { token })).next));
