// Why judgments stay out of a round, in the reader's language.
import { t } from '../../shared/words.js';

export const LEFT_OUT = {
  tie: (number) => (number === 1 ? t('1 tie') : t('{count} ties', { count: number })),
  both_bad: (number) => t('{count} “both bad”', { count: number }),
  skip: (number) => (number === 1 ? t('1 skip') : t('{count} skips', { count: number })),
  split: (number) => (number === 1 ? t('1 split vote') : t('{count} split votes', { count: number })),
  gold: (number) => t('{count} on gold pairs', { count: number }),
  reask: (number) => t('{count} repeat judgments', { count: number }),
  eval: (number) => t('{count} on evaluation pairs (never used for training)', { count: number }),
  flagged: (number) => t('{count} on flagged pairs', { count: number }),
  too_fast: (number) => t('{count} faster than reading time', { count: number }),
  quarantined: (number) => t('{count} of annotators in quarantine', { count: number }),
  older: (number) => t('{count} from before the last round', { count: number }),
  disputed: (number) => t('{count} on disputed pairs', { count: number }),
  weak: (number) => t('{count} on pairs of slight preference', { count: number }),
  duplicate: (number) => t('{count} on answers judged again later', { count: number }),
  other_split: (number) => t('{count} of the other split', { count: number }),
  other_version: (number) => t('{count} on answers of other versions', { count: number }),
  other_time: (number) => t('{count} from another time', { count: number }),
  other_annotator: (number) => t('{count} by other annotators', { count: number }),
  other_tag: (number) => t('{count} without these reasons', { count: number }),
  other_language: (number) => t('{count} in other languages', { count: number }),
  few_votes: (number) => t('{count} on pairs with too few votes', { count: number }),
  not_different: (number) => t('{count} on answers that do not differ', { count: number }),
  without: (number) => t('{count} that the rebuild leaves out', { count: number }),
};
export const leftOutWords = (excluded) => Object.entries(excluded).map(([reason, number]) => LEFT_OUT[reason]?.(number) ?? `${number} ${reason}`);
