/** Every text of the hosted pages, in every language. `{name}` is filled in. */
export const words = {
  // Everywhere
  no_script: {
    en: "This page needs JavaScript, which is switched off in this browser. Switch it on and open the link from the app again.",
    de: "Diese Seite braucht JavaScript, das in diesem Browser ausgeschaltet ist. Schalten Sie es ein und öffnen Sie den Link in der App noch einmal.",
  },
  please_wait: { en: "Please wait …", de: "Bitte warten …" },
  go_back: { en: "Back to {host}", de: "Zurück zu {host}" },
  valid_until: { en: "This page can be used until {time}.", de: "Diese Seite kann bis {time} Uhr benutzt werden." },
  service_of: { en: "Secure page of {name}", de: "Sichere Seite von {name}" },
  code: { en: "Code", de: "Code" },
  working: { en: "Working …", de: "Einen Augenblick …" },

  // The door
  open_title: { en: "Opening the secure page", de: "Die sichere Seite wird geöffnet" },
  ended_title: { en: "This link cannot be used any more", de: "Dieser Link kann nicht mehr benutzt werden" },
  ended_text: {
    en: "Each link works once and for ten minutes. What you did before stands. Go back to the app to see how it is, or to start again.",
    de: "Jeder Link gilt einmal und zehn Minuten lang. Was Sie vorher getan haben, gilt. Sehen Sie in der App nach, wie es steht, oder beginnen Sie dort noch einmal.",
  },
  trouble_title: { en: "This does not work at the moment", de: "Das geht im Augenblick nicht" },
  trouble_text: {
    en: "Please try again in a minute. What you did before stands.",
    de: "Bitte versuchen Sie es in einer Minute noch einmal. Was Sie vorher getan haben, gilt.",
  },

  // Enrolling
  enrol_title: { en: "Protect your account", de: "Ihr Konto schützen" },
  enrol_text: {
    en: "A passkey lets you confirm payments with your fingerprint, your face or the PIN of this device. You type it nowhere, so nobody can guess it or talk you out of it.",
    de: "Mit einem Passkey bestätigen Sie Zahlungen mit Fingerabdruck, Gesicht oder der PIN dieses Geräts. Sie tippen ihn nirgends ein, also kann ihn niemand erraten oder Ihnen entlocken.",
  },
  own_title: { en: "What you have set up", de: "Was Sie eingerichtet haben" },
  own_none: { en: "Nothing is set up yet.", de: "Es ist noch nichts eingerichtet." },
  own_passkey: { en: "Passkey", de: "Passkey" },
  own_totp: { en: "Authenticator app", de: "Authenticator-App" },
  own_codes: { en: "Recovery codes", de: "Wiederherstellungscodes" },
  own_sent: { en: "Code sent to you", de: "Zugeschickter Code" },
  own_since: { en: "since {date}", de: "seit {date}" },
  own_used: { en: "last used {date}", de: "zuletzt benutzt {date}" },
  own_flagged: { en: "blocked, because a copy of it may exist", de: "gesperrt, weil es eine Kopie davon geben kann" },
  own_device: { en: "stays on one device", de: "bleibt auf einem Gerät" },
  own_synced: { en: "on all your devices", de: "auf allen Ihren Geräten" },
  prove_title: { en: "First confirm that it is you", de: "Bestätigen Sie zuerst, dass Sie es sind" },
  prove_text: {
    en: "Something is set up already, so it is needed to add more.",
    de: "Es ist schon etwas eingerichtet; damit bestätigen Sie, dass Sie mehr hinzufügen wollen.",
  },
  prove_which: { en: "Which code", de: "Welcher Code" },
  code_totp: { en: "Code of the authenticator app", de: "Code der Authenticator-App" },
  code_recovery_code: { en: "A recovery code", de: "Ein Wiederherstellungscode" },
  prove_passkey: { en: "Use a passkey I have", de: "Vorhandenen Passkey benutzen" },
  prove_code: { en: "Use this code", de: "Diesen Code benutzen" },
  prove_none: {
    en: "None of it can be used on this page. Go back to the app and ask for help there.",
    de: "Nichts davon kann auf dieser Seite benutzt werden. Gehen Sie zurück zur App und bitten Sie dort um Hilfe.",
  },
  proof_first: { en: "First confirm that it is you, above.", de: "Bestätigen Sie zuerst oben, dass Sie es sind." },
  wrong_code: {
    en: "This code is not right. Wait for the next one and try again.",
    de: "Dieser Code ist nicht richtig. Warten Sie auf den nächsten und versuchen Sie es noch einmal.",
  },
  limit: { en: "There are as many of these as there may be.", de: "Mehr davon können nicht eingerichtet werden." },
  proved: { en: "Good. Now choose what to add.", de: "Gut. Wählen Sie jetzt, was Sie hinzufügen wollen." },
  passkey_title: { en: "Add a passkey", de: "Passkey hinzufügen" },
  passkey_add: { en: "Create a passkey", de: "Passkey erstellen" },
  passkey_waiting: { en: "Follow the instructions of your browser.", de: "Folgen Sie den Anweisungen Ihres Browsers." },
  passkey_added: { en: "The passkey has been added.", de: "Der Passkey wurde hinzugefügt." },
  totp_title: { en: "Add an authenticator app", de: "Authenticator-App hinzufügen" },
  totp_text: {
    en: "An app on your phone shows a new code every 30 seconds. With it you can add a passkey on a new device; payments are confirmed with a passkey.",
    de: "Eine App auf Ihrem Telefon zeigt alle 30 Sekunden einen neuen Code. Damit können Sie auf einem neuen Gerät einen Passkey hinzufügen; Zahlungen bestätigen Sie mit einem Passkey.",
  },
  totp_start: { en: "Set up an app", de: "App einrichten" },
  totp_scan: {
    en: "Open the link on the phone with the app, or type the key into the app.",
    de: "Öffnen Sie den Link auf dem Telefon mit der App, oder geben Sie den Schlüssel in die App ein.",
  },
  totp_link: { en: "Open in my authenticator app", de: "In meiner Authenticator-App öffnen" },
  totp_key: { en: "Key", de: "Schlüssel" },
  totp_copy: { en: "Copy the key", de: "Schlüssel kopieren" },
  totp_copied: { en: "The key has been copied.", de: "Der Schlüssel wurde kopiert." },
  totp_code: { en: "Code that the app shows now", de: "Code, den die App jetzt zeigt" },
  totp_activate: { en: "Confirm the app", de: "App bestätigen" },
  totp_added: { en: "The authenticator app has been added.", de: "Die Authenticator-App wurde hinzugefügt." },
  enrol_done: { en: "Finish", de: "Abschließen" },
  enrolled_title: { en: "Your account is protected", de: "Ihr Konto ist geschützt" },
  enrolled_text: { en: "You can close this page.", de: "Sie können diese Seite schließen." },
  cancelled_title: { en: "Nothing was set up", de: "Es wurde nichts eingerichtet" },
  cancelled_text: { en: "You can start again from the app at any time.", de: "Sie können jederzeit in der App noch einmal beginnen." },

  // Approving
  approve_payment: { en: "Approve this payment?", de: "Diese Zahlung freigeben?" },
  approve_batch: { en: "Approve these payments?", de: "Diese Zahlungen freigeben?" },
  approve_beneficiary: { en: "Trust this payee?", de: "Diesem Empfänger vertrauen?" },
  approve_standing_order: { en: "Approve this standing order?", de: "Diesen Dauerauftrag freigeben?" },
  approve_account_access: { en: "Show your account?", de: "Ihr Konto zeigen?" },
  approve_credential: { en: "Change how you confirm payments?", de: "Ändern, wie Sie Zahlungen bestätigen?" },
  text_payment: {
    en: "Check what is written here. Only this payment is approved.",
    de: "Prüfen Sie, was hier steht. Nur diese Zahlung wird freigegeben.",
  },
  text_batch: {
    en: "Check what is written here. Only these payments are approved, all together.",
    de: "Prüfen Sie, was hier steht. Nur diese Zahlungen werden freigegeben, alle zusammen.",
  },
  text_beneficiary: {
    en: "Payments to a trusted payee need no confirmation any more.",
    de: "Zahlungen an einen vertrauten Empfänger müssen Sie nicht mehr bestätigen.",
  },
  text_standing_order: {
    en: "Later payments of this order need no confirmation any more.",
    de: "Spätere Zahlungen dieses Auftrags müssen Sie nicht mehr bestätigen.",
  },
  text_account_access: {
    en: "{name} will show your balance and your payments.",
    de: "{name} zeigt dann Ihren Kontostand und Ihre Zahlungen.",
  },
  text_credential: {
    en: "With this you may add or remove a way to confirm payments.",
    de: "Damit können Sie eine Art der Bestätigung hinzufügen oder entfernen.",
  },
  amount: { en: "Amount", de: "Betrag" },
  total: { en: "Total", de: "Summe" },
  payee: { en: "To", de: "An" },
  payee_account: { en: "Account of the payee", de: "Konto des Empfängers" },
  own_account: { en: "From your account", de: "Von Ihrem Konto" },
  reference: { en: "Reference", de: "Verwendungszweck" },
  no_name: { en: "no name is known", de: "kein Name bekannt" },
  payment_number: { en: "Payment {n}", de: "Zahlung {n}" },
  approve_passkey: { en: "Approve with a passkey", de: "Mit Passkey freigeben" },
  decline: { en: "Decline", de: "Ablehnen" },
  approved_title: { en: "Approved", de: "Freigegeben" },
  approved_text: { en: "You can go back to the app.", de: "Sie können zur App zurückgehen." },
  declined_title: { en: "Declined", de: "Abgelehnt" },
  declined_text: {
    en: "Nothing was approved on this page. You can go back to the app.",
    de: "Auf dieser Seite wurde nichts freigegeben. Sie können zur App zurückgehen.",
  },
  answered_title: { en: "There is nothing to approve any more", de: "Es gibt nichts mehr freizugeben" },
  answered_text: {
    en: "This was answered before, took too long or has been changed. Go back to the app to see how it stands.",
    de: "Das wurde schon beantwortet, hat zu lange gedauert oder wurde geändert. Sehen Sie in der App nach, wie es steht.",
  },

  // What went wrong, said beside the button
  wrong_proof: { en: "That was not right. Please try again.", de: "Das war nicht richtig. Bitte versuchen Sie es noch einmal." },
  locked: {
    en: "There were too many attempts. Please wait a while, then start again from the app.",
    de: "Es gab zu viele Versuche. Bitte warten Sie eine Weile und beginnen Sie dann in der App noch einmal.",
  },
  changed: {
    en: "What you are asked to approve has changed since you opened this page. Nothing was approved. Go back to the app and look again.",
    de: "Was Sie freigeben sollen, hat sich geändert, seit Sie diese Seite geöffnet haben. Es wurde nichts freigegeben. Sehen Sie in der App noch einmal nach.",
  },
  over: {
    en: "The time for this page is over, or it was used already. Go back to the app to see how it stands.",
    de: "Die Zeit für diese Seite ist um, oder sie wurde schon benutzt. Sehen Sie in der App nach, wie es steht.",
  },
  passkey_refused: {
    en: "The browser did not confirm it. It may have been cancelled, or it took too long. Please try again.",
    de: "Der Browser hat es nicht bestätigt. Vielleicht wurde es abgebrochen oder es hat zu lange gedauert. Bitte versuchen Sie es noch einmal.",
  },
  passkey_synced: {
    en: "This passkey is copied to other devices. Only one that stays on its device can be used here, such as a security key.",
    de: "Dieser Passkey wird auf andere Geräte kopiert. Hier kann nur einer benutzt werden, der auf seinem Gerät bleibt, etwa ein Sicherheitsschlüssel.",
  },
  passkey_known: {
    en: "This device has a passkey for this account already.",
    de: "Dieses Gerät hat schon einen Passkey für dieses Konto.",
  },
  no_passkeys: {
    en: "This browser cannot use passkeys. Use an authenticator app, or start again from the app in another browser or on another device.",
    de: "Dieser Browser kann keine Passkeys benutzen. Benutzen Sie eine Authenticator-App, oder beginnen Sie in der App noch einmal mit einem anderen Browser oder Gerät.",
  },
  no_passkey_left: {
    en: "You have no passkey by which this can be approved. Nothing was changed. Go back to the app to add one.",
    de: "Sie haben keinen Passkey, mit dem das freigegeben werden kann. Es wurde nichts geändert. Gehen Sie zurück zur App, um einen hinzuzufügen.",
  },
  no_passkeys_approve: {
    en: "This browser cannot use passkeys. Start again from the app in another browser or on another device.",
    de: "Dieser Browser kann keine Passkeys benutzen. Beginnen Sie in der App noch einmal mit einem anderen Browser oder Gerät.",
  },
  offline: {
    en: "The server cannot be reached. Please try again.",
    de: "Der Server ist nicht zu erreichen. Bitte versuchen Sie es noch einmal.",
  },
  failed: {
    en: "That did not work, and nothing was changed. Please try again.",
    de: "Das hat nicht geklappt, und es wurde nichts geändert. Bitte versuchen Sie es noch einmal.",
  },
  unknown: {
    en: "It is not known whether that was done. Load this page again to see how it stands.",
    de: "Es ist nicht bekannt, ob das getan wurde. Laden Sie diese Seite neu, um zu sehen, wie es steht.",
  },
} as const satisfies Record<string, { readonly en: string; readonly de: string }>;
