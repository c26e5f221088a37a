// The states of a round in the reader's language.
import { t } from '../../shared/words.js';

export const ROUND_STATES = {
  queued: t('queued'), training: t('in training'), swapping: t('taking over'), waiting: t('waits to be decided on'),
  promoted: t('promoted'), refused: t('refused'), failed: t('failed'), cancelled: t('cancelled'),
};
const RUNNING = ['queued', 'training', 'swapping'];
export const isRunning = ({ state }) => RUNNING.includes(state);
