// The states of a round in the reader's language.
import { t } from '../../shared/words.js';

export const ROUND_STATES = {
  queued: t('queued'), training: t('in training'), swapping: t('taking over'), waiting: t('awaiting decision'),
  promoted: t('promoted'), refused: t('rejected'), failed: t('failed'), cancelled: t('cancelled'),
};
const RUNNING = ['queued', 'training', 'swapping'];
export const isRunning = ({ state }) => RUNNING.includes(state);
