// The reader's language, which a script in the head has found out before anything was drawn (texts.js).
export const { t, language } = window.prefloopTexts;
export const { lang } = document.documentElement;
