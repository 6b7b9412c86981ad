"""Officers' dialogues: one menu tree, by USSD and by SMS."""
