// Signing in with a password.
import { ask, onSubmit } from '../shared/ask.js';

const form = document.querySelector('form');
onSubmit(form, async () => {
  try {
    location.assign((await ask('POST', '/auth/login', { login: form.login.value, password: form.password.value })).next);
  } catch (error) {
    form.password.select();
    throw error;
  }
});
