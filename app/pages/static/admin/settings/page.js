// The page on settings: a table for each section of the file.
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { api, begin, part } from '../shared/admin.js';

const SOURCES = { default: t('default'), file: 'prefloop.toml', flag: t('command line') };
const shown = (value) => {
  if (value === null) return '–';
  if (Array.isArray(value)) return value.map(shown).join(', ') || '–';
  if (typeof value === 'object') return Object.entries(value).map(([key, part]) => `${key}: ${shown(part)}`).join(', ');
  return String(value);
};

const settingRow = ({ key, value, default: usual, source }) => {
  const given = element('td', '', element('code', '', shown(value)));
  if (shown(value) !== shown(usual)) given.append(element('span', '', t('instead of {default}', { default: shown(usual) })));
  const name = element('th', '', element('code', '', key.split('.').at(-1)));
  name.scope = 'row';
  const row = element('tr', '', name, given, element('td', '', element('i', `settings-source ${source}`, SOURCES[source])));
  row.dataset.key = key;
  return row;
};
const sectionPanel = (name, settings) => {
  const head = element('tr', '', ...[t('Key'), t('Value'), t('Source')].map((words) => element('th', '', words)));
  const table = element('table', '', element('thead', '', head), element('tbody', '', ...settings.map(settingRow)));
  return element('section', 'admin-panel', element('h2', '', name ? element('code', '', `[${name}]`) : t('General')), element('div', 'admin-scroll', table));
};
const showSettings = async () => {
  const sections = new Map();
  for (const setting of await api('GET', '/settings')) {
    const name = setting.key.includes('.') ? setting.key.split('.')[0] : '';
    sections.set(name, [...(sections.get(name) ?? []), setting]);
  }
  part('sections').replaceChildren(...[...sections].map(([name, settings]) => sectionPanel(name, settings)));
};
begin(showSettings);
