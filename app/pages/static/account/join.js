// Making an account by an invite.
import { ask, onSubmit } from '../shared/ask.js';

const form = document.querySelector('form');
const token = new URLSearchParams(location.search).get('token') ?? '';
onSubmit(form, async () => {
  const body = { token, login: form.login.value, password: form.password.value };
  location.replace((await ask('POST', '/auth/join', body)).next);
});
