// The page on people: what admins did, a page at a time.
import { element } from '../../shared/dom.js';
import { t } from '../../shared/words.js';
import { action, api, moment, onPress, part } from '../shared/admin.js';

const ACTS = {
  quarantine: t('put somebody into quarantine'), lift_quarantine: t('lifted a quarantine'), retire_prompt: t('retired a prompt'),
  make_gold: t('made a pair gold'), write_gold: t('added a gold pair'), retire_gold: t('retired a gold pair'),
  publish_guidelines: t('published guidelines'), add_user: t('made an account'), disable: t('disabled an account'),
  enable: t('enabled an account'), role: t('changed a role'), link: t('made a sign-in link'), password: t('set a password'),
  sign_out: t('signed somebody out'), make_invite: t('made an invite'), withdraw_invite: t('withdrew an invite'),
  start_round: t('started a round'), cancel_round: t('cancelled a round'), resume_round: t('resumed a round'),
  withdraw_round: t('withdrew a round that waited'), rebuild_rounds: t('had rounds rebuilt'), promote: t('promoted a version'),
  put_on_trial: t('started an A/B trial'), roll_back: t('rolled back'), refuse: t('rejected a version'), retire: t('retired a version'),
  download_version: t('downloaded a version'), add_prompts: t('added prompts'), edit_prompt: t('changed a prompt'),
  import_file: t('imported a file'), export_preferences: t('exported preferences'), publish_preferences: t('published preferences'),
  stream_preferences: t('read all preferences'), download_export: t('downloaded an export'), discard_export: t('took away the file of an export'),
};
// what an older prefloop called them
Object.assign(ACTS, { make: ACTS.make_invite, withdraw: ACTS.withdraw_invite });
const ACTS_A_PAGE = 50;

const actItem = (act, logins) => {
  const { person_id: id, ...rest } = act.detail;
  const told = [id && (logins.get(String(id)) ?? id), ...Object.values(rest)].filter((value) => value !== undefined && value !== '').join(' · ');
  const words = element('div', '', `${act.by ?? t('Command line')} ${ACTS[act.action] ?? act.action} `, element('span', '', told));
  const item = element('li', '', element('time', '', moment(act.created_at)), words);
  item.dataset.act = act.id;
  return item;
};

// The newest, or those before an act, behind what is shown.
export const showActs = async (before = null) => {
  const older = before === null ? '' : `&before=${before}`;
  const [acts, people] = await Promise.all([api('GET', `/audit?limit=${ACTS_A_PAGE}${older}`), api('GET', '/people')]);
  const logins = new Map(people.map(({ id, login }) => [String(id), login]));
  const items = acts.map((act) => actItem(act, logins));
  if (before === null) part('acts').replaceChildren(...items);
  else part('acts').append(...items);
  part('acts-none').hidden = part('acts').childElementCount > 0;
  action('older').hidden = acts.length < ACTS_A_PAGE;
};
onPress(action('older'), async () => showActs(part('acts').lastElementChild.dataset.act));
