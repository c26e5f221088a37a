// The page on guidelines: write them in two languages, see them as annotators do, publish, look at older versions.
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { action, api, begin, button, count, moment, onPress, part, question, say } from '../shared/admin.js';

const LANGUAGES = ['en', 'zh'];
const PAUSE_MS = 300;
let inForce = { en: '', zh: '' };
const written = () => ({ en: part('en').value, zh: part('zh').value });
const isChanged = () => LANGUAGES.some((language) => written()[language] !== inForce[language]);
const textsOf = ({ body, translations }) => ({ en: body, zh: translations.zh ?? '' });

const preview = async (language) => {
  const text = part(language).value;
  const { html } = await api('POST', '/guidelines/preview', { body: text });
  if (part(language).value === text) part(`${language}-shown`).innerHTML = html; // cleaned by the server
};

const drawChanged = () => { part('changed').hidden = !isChanged(); action('publish').disabled = !isChanged(); };
const fill = async (texts) => {
  for (const language of LANGUAGES) part(language).value = texts[language];
  drawChanged();
  await Promise.all(LANGUAGES.map(preview));
};

const versionItem = (version, current) => {
  const title = element('b', '', t('Version {version}', version));
  if (current) title.append(element('i', 'guidelines-now', t('current')));
  const given = version.judgments === 1 ? t('1 judgment given under it') : t('{count} judgments given under it', { count: count(version.judgments) });
  const text = element('div', 'admin-text', title, element('span', '', `${moment(version.created_at)} · ${given}`));
  const take = async () => { await fill(textsOf(version)); part('en').focus(); };
  return element('li', '', text, button(current ? t('Restore this version') : t('Use this text'), take));
};

const showGuidelines = async () => {
  const versions = await api('GET', '/guidelines');
  part('versions').replaceChildren(...versions.map((version, i) => versionItem(version, i === 0)));
  if (versions.length) inForce = textsOf(versions[0]);
  await fill(inForce);
};

for (const language of LANGUAGES) {
  let pause = 0;
  part(language).addEventListener('input', () => {
    drawChanged();
    clearTimeout(pause);
    pause = setTimeout(() => preview(language).catch((error) => say(error.message, 'warn')), PAUSE_MS);
  });
}
onPress(action('publish'), async () => question({
  title: t('Publish these guidelines?'),
  words: t('Annotators see them from their next pair on, and what they judge then is kept with this version.'),
  yes: t('Publish'),
  work: async () => {
    const { en, zh } = written();
    const { version } = await api('POST', '/guidelines', { body: en, translations: { zh } });
    await showGuidelines();
    say(t('Version {version} is now current.', { version }));
  },
}));
addEventListener('beforeunload', (event) => { if (isChanged()) event.preventDefault(); });
begin(showGuidelines);
