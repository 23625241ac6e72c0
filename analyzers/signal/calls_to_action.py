"""Calls to action in a text, in nine languages, by lists of phrases.

Sources
    * buy, download, sign_up, learn_more, watch, subscribe: the call-to-action buttons of story ads, as published in
      many languages with the AMP Project (``amp-story-auto-ads``, Apache-2.0), and Google Ads' ``CallToActionType``;
      of the one-word labels only those that are no everyday words;
    * follow, like, comment, share, save, link, contact: what the short-video platforms' own buttons are called in each
      language, in the forms in which viewers are asked to press them. Compiled by hand for this project from no
      corpus, so surely not complete.

A phrase counts where it stands as whole words; case and accents do not matter, since text recognition loses them. A
word that is also an everyday word ("like", "share") counts only where a clause consists of nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

CallKind = Literal[
    "follow",
    "like",
    "comment",
    "share",
    "save",
    "subscribe",
    "link",
    "buy",
    "download",
    "sign_up",
    "learn_more",
    "watch",
    "contact",
]

ALONE = "="
"""Marks a phrase that counts only as a whole clause."""

PHRASES: Mapping[str, Mapping[CallKind, str]] = {
    "en": {
        "follow": "=follow, follow for, follow me, follow us, follow my, follow our, follow this account, "
        "follow the page, follow along, follow to see, follow so you, follow if you, hit follow, give me a follow",
        "like": "=like, like this video, like this post, like if, like for, double tap, hit like, smash the like, "
        "hit the like, smash that like, leave a like, drop a like, give it a like, give this a like",
        "comment": "=comment, comment below, comment down below, comment your, comment if, comment the word, "
        "leave a comment, drop a comment, in the comments below, tell me in the comments, let me know in the comments, "
        "let us know in the comments, tell us in the comments, tag a friend, tag someone, tag your",
        "share": "=share, share this, share it with, send this to, send it to a friend, hit share",
        "save": "=save, save this, save it for later, save for later, bookmark this",
        "subscribe": "subscribe, hit the bell, turn on notifications",
        "link": "link in bio, link in my bio, link in the bio, link in our bio, link in profile, link in description, "
        "link in the description, link below, swipe up, tap the link, click the link, click here, tap here",
        "buy": "shop now, buy now, order now, book now, get yours, get it now, buy tickets, order yours, "
        "use code, use my code, use the code, add to cart, grab yours, pre order now",
        "download": "=download, download now, download the app, install now, get the app, download it",
        "sign_up": "sign up, apply now, register now, join now, join us, start now, try it now, try it for free, "
        "get a quote, get quote, donate now",
        "learn_more": "learn more, find out more, =see more, =read more, visit our, visit us, check out my, "
        "check out our, check it out",
        "watch": "watch now, watch till the end, watch until the end, watch to the end, wait for it, wait until the "
        "end, wait for the end, stay till the end, stay tuned, watch part, watch episode, play now",
        "contact": "contact us, contact me, dm me, dm us, message me, message us, call now, call us, text us, email us",
    },
    "de": {
        "follow": "=folgen, =folge, =folgt, folge mir, folgt mir, folg mir, folge uns, folgt uns, folg uns, folge fur "
        "mehr, folgt fur mehr, jetzt folgen, lass ein abo, lasst ein abo",
        "like": "=liken, =like, lass ein like, lasst ein like, gib ein like, like dieses, like das video, doppelt "
        "tippen, daumen hoch",
        "comment": "=kommentieren, =kommentiere, =kommentiert, schreib in die kommentare, schreibt in die kommentare, "
        "schreib es in die kommentare, schreibt es in die kommentare, schreibt mir in die kommentare, schreib mir in "
        "die kommentare, kommentiere mit, kommentiert mit, lass einen kommentar, markiere einen freund, markiere "
        "jemanden, verlinke einen, verlinke jemanden",
        "share": "=teilen, =teile, =teilt, teile dieses, teile das video, teilt das video, teile es mit, teilt es mit, "
        "schick das, schickt das",
        "save": "=speichern, speicher dir, speichere dir, speichert euch, speichere dieses, merk dir dieses",
        "subscribe": "jetzt abonnieren, =abonnieren, =abonniere, =abonniert, abonniere den kanal, abonniert den kanal, "
        "abonniere meinen, abonniert meinen, glocke aktivieren",
        "link": "link in der bio, link in bio, link in meiner bio, link im profil, link in der beschreibung, link "
        "unten, klick auf den link, klickt auf den link, klick hier, klicke hier, klicken sie hier",
        "buy": "jetzt kaufen, jetzt bestellen, jetzt shoppen, jetzt buchen, tickets kaufen, jetzt sichern, jetzt "
        "zuschlagen, hol dir, holt euch, jetzt einkaufen, mit dem code, nutze den code",
        "download": "=herunterladen, jetzt herunterladen, jetzt installieren, lade die app, app herunterladen",
        "sign_up": "jetzt anmelden, jetzt bewerben, jetzt registrieren, jetzt starten, melde dich an, meldet euch an, "
        "jetzt mitmachen, jetzt testen, jetzt spenden",
        "learn_more": "mehr erfahren, weitere informationen, mehr infos, erfahre mehr, schau vorbei, schaut vorbei, "
        "besuche uns, besucht uns",
        "watch": "jetzt ansehen, schau bis zum ende, schaut bis zum ende, bleib dran, bleibt dran, "
        "warte bis zum ende, folge ansehen",
        "contact": "kontaktiere uns, kontaktiert uns, schreib mir, schreibt mir, schreib uns, schreibt uns, ruf an, "
        "rufen sie an, ruf uns an, jetzt anrufen",
    },
    "es": {
        "follow": "=sigueme, =siguenos, =seguir, =sigue, sigueme para, siguenos para, sigueme en, siguenos en, sigue "
        "para, siganme, siganos, sigue mi cuenta",
        "like": "dale like, dale me gusta, da like, dale al like, dale un like, deja tu like, deja un like, doble tap, "
        "doble toque, dale corazon",
        "comment": "=comenta, =comentar, comenta abajo, comenta si, comenta tu, comentame, dejame en los comentarios, "
        "dime en los comentarios, en los comentarios que, deja un comentario, deja tu comentario, etiqueta a",
        "share": "=comparte, =compartir, comparte este, comparte esto, comparte con, compartelo, envia esto a, "
        "enviaselo a",
        "save": "=guardar, guarda este, guarda esto, guardalo, guardate este",
        "subscribe": "suscribete, suscribanse, suscribete ahora, activa la campanita",
        "link": "link en la bio, link en bio, link en mi bio, enlace en la bio, enlace en mi bio, enlace en la "
        "biografia, link en mi perfil, enlace en mi perfil, enlace en la descripcion, link en la descripcion, "
        "haz clic, haz click, da clic, desliza hacia arriba",
        "buy": "compra ahora, comprar ahora, compralo, pide ahora, haz el pedido, haz tu pedido, compra entradas, "
        "reserva ahora, ordena ahora, consigue el tuyo, usa mi codigo, usa el codigo, pidelo ya",
        "download": "=descargar, descargar ahora, descarga ahora, descarga la app, descarga la aplicacion, instalar "
        "ahora, instala ahora, descargala",
        "sign_up": "registrate, registrate ahora, solicitalo ahora, inscribete, unete, empieza ahora, dona ahora, "
        "pruebalo gratis",
        "learn_more": "mas informacion, descubre mas, conoce mas, aprende mas, =saber mas, visita nuestra, visitanos",
        "watch": "mira hasta el final, ve hasta el final, espera al final, ver episodio, ver ahora, "
        "quedate hasta el final",
        "contact": "contactanos, contactame, escribeme, escribenos, llamanos, llama ahora, mandame un mensaje",
    },
    "fr": {
        "follow": "=suivre, =suivez, suivez moi, suis moi, suivez nous, abonne toi, abonnez vous, abonne toi "
        "pour, abonnez vous pour, suivez pour",
        "like": "=likez, =like, like cette, likez cette, mets un like, mettez un like, laisse un like, "
        "laissez un like, double tap, un petit like, mets un j aime",
        "comment": "=commentez, =commente, commente en dessous, dis moi en commentaire, dites moi en commentaire, dis "
        "nous en commentaire, dites nous en commentaire, laisse un commentaire, laissez un commentaire, "
        "tag un ami, tague un ami, identifie un ami",
        "share": "=partagez, =partage, =partager, partage cette, partagez cette, "
        "partagez avec, partage la video, envoie cette video, envoie a un ami",
        "save": "=enregistrer, enregistre cette, enregistrez cette, sauvegarde cette, garde cette video",
        "subscribe": "=s abonner, s abonner maintenant, active la cloche, activez la cloche",
        "link": "lien en bio, lien dans la bio, lien dans ma bio, lien en description, lien dans la description, "
        "cliquez ici, clique ici, cliquez sur le lien, clique sur le lien, swipe up",
        "buy": "achetez maintenant, acheter maintenant, commandez maintenant, commander maintenant, acheter des "
        "billets, reservez maintenant, reserver maintenant, profitez en, achete le tien, utilise le code, utilisez le "
        "code, avec le code",
        "download": "=telecharger, telechargez, telecharge l app, telecharger maintenant, installer maintenant",
        "sign_up": "inscrivez vous, inscris toi, s inscrire, rejoignez nous, rejoins nous, essayez gratuitement, "
        "commencez maintenant, faites un don",
        "learn_more": "en savoir plus, decouvrez plus, visitez notre, rendez vous sur notre",
        "watch": "regarde jusqu a la fin, regardez jusqu a la fin, attends la fin, attendez la fin, "
        "regarder l episode, reste jusqu a la fin",
        "contact": "contactez nous, contactez moi, contacte moi, ecris moi, ecrivez nous, appelez nous, appelez "
        "maintenant",
    },
    "it": {
        "follow": "=seguimi, =seguici, =segui, =seguiteci, =seguitemi, seguimi per, seguici per, seguimi su, seguici "
        "su, segui per, segui la pagina",
        "like": "metti like, mettete like, metti mi piace, mettete mi piace, lascia un like, lasciate un like, doppio "
        "tap, doppio tocco",
        "comment": "=commenta, =commentate, commenta qui sotto, scrivi nei commenti, scrivilo nei commenti, scrivetelo "
        "nei commenti, dimmi nei commenti, fammi sapere nei commenti, fatemi sapere nei commenti, lascia un commento, "
        "tagga un amico, tagga chi, tagga una",
        "share": "=condividi, =condividete, condividi con, condividi questo, condividilo, invialo a",
        "save": "=salva, salva questo, salvalo, salva il video, salva il post",
        "subscribe": "=iscriviti, iscriviti al canale, iscrivetevi, abbonati ora, attiva la campanella",
        "link": "link in bio, link nella bio, link in descrizione, link nella descrizione, clicca qui, clicca sul "
        "link, scorri verso l alto",
        "buy": "acquista ora, compra ora, ordina ora, prenota ora, acquista biglietti, usa il codice, usa il mio "
        "codice, con il codice, ordinalo",
        "download": "=scarica, scarica ora, scarica l app, installa ora, scaricala",
        "sign_up": "registrati, registrati ora, richiedi ora, iscriviti ora, unisciti a noi, provalo gratis, dona ora",
        "learn_more": "ulteriori informazioni, scopri di piu, per saperne di piu, visita il nostro",
        "watch": "guarda fino alla fine, aspetta la fine, guarda la puntata, guarda ora",
        "contact": "contattaci, contattami, scrivimi, scrivici, chiamaci, chiama ora",
    },
    "pt": {
        "follow": "=siga, =segue, =seguir, siga me, me siga, me segue, segue me, siga nos, nos siga, siga para, segue "
        "para, segue ai, siga a pagina, siga o perfil",
        "like": "=curta, =curte, curta o video, curte o video, curta este, curta esse, deixa o like, deixe o like, "
        "deixe seu like, deixa seu like, deixa teu like, da like, toque duas vezes, da um like",
        "comment": "=comente, =comenta, comente aqui, comenta aqui, comente abaixo, comenta ai, comenta se, conta nos "
        "comentarios, conte nos comentarios, me conta nos comentarios, deixe um comentario, deixa um comentario, "
        "marque um amigo, marca um amigo, marque alguem, marca alguem, marca quem",
        "share": "=compartilhe, =compartilha, =partilha, compartilhe com, compartilha com, compartilhe este, "
        "compartilhe esse, partilha com, envie para um amigo, envia para um amigo, manda para um amigo",
        "save": "=salve, =salva, =guarda, salve este, salve esse, salva esse, salva este, guarda este",
        "subscribe": "inscreva se, se inscreva, se inscreve, subscreve, subscreva, ative o sininho, ativa o sininho",
        "link": "link na bio, link no perfil, link na descricao, clique aqui, clique no link, clica no link, clica "
        "aqui, arrasta pra cima, arraste para cima",
        "buy": "compre agora, comprar agora, compre ja, peca agora, peca ja, comprar ingressos, adquirir agora, "
        "garanta o seu, garanta ja, use o cupom, use o codigo, usa o codigo, encomende agora",
        "download": "=baixe, baixe agora, baixe o app, baixe o aplicativo, instalar agora, descarregue, descarrega a "
        "app",
        "sign_up": "inscreva se agora, cadastre se, registe se, regista te, =participe, doe agora, experimente gratis",
        "learn_more": "saiba mais, =saber mais, descubra mais, confira, acesse o site, visite nosso, visite o nosso",
        "watch": "assista ate o final, assiste ate o final, veja ate o final, espera o final, espere o "
        "final, assistir episodio, assista agora, fica ate o final",
        "contact": "entre em contato, fale conosco, fale com a gente, me chama, chama no direct, chama no whatsapp, "
        "ligue agora, contacte nos",
    },
    "nl": {
        "follow": "=volgen, =volg, volg mij, volg me, volg ons, volg voor, volg mijn",
        "like": "=liken, =like, like deze, geef een like, laat een like achter, dubbeltik",
        "comment": "=reageer, reageer hieronder, laat een reactie achter, laat het weten in de reacties, zet in de "
        "reacties, tag een vriend, tag iemand",
        "share": "=delen, =deel, deel deze, deel dit met, stuur dit, stuur deze",
        "save": "=opslaan, sla deze op, sla dit op, bewaar deze, bewaar dit",
        "subscribe": "nu abonneren, =abonneer, =abonneren, abonneer op, abonneer je",
        "link": "link in bio, link in mijn bio, link in de bio, link in de beschrijving, klik hier, klik op de link",
        "buy": "nu bestellen, bestel nu, koop nu, nu kopen, shop nu, nu shoppen, kaartjes kopen, boek nu, gebruik de "
        "code, gebruik code",
        "download": "=downloaden, download nu, nu downloaden, nu installeren, download de app",
        "sign_up": "meld je aan, nu aanmelden, schrijf je in, doe mee, probeer het gratis, doneer nu",
        "learn_more": "meer informatie, lees meer, meer weten, ontdek meer, bezoek onze, kijk op onze",
        "watch": "kijk tot het einde, blijf kijken, wacht tot het einde, aflevering bekijken",
        "contact": "neem contact op, stuur me een bericht, stuur ons een bericht, bel nu, bel ons, mail ons",
    },
    "ja": {
        "follow": "フォローして, フォローお願い, フォローよろしく, フォローはこちら, =フォロー, フォローしてね",
        "like": "いいねして, いいねお願い, いいねよろしく, いいねください, =いいね, ダブルタップ, "
        "高評価お願い, 高評価よろしく",
        "comment": "コメントして, コメント欄で, コメントで教えて, コメントお願い, コメントください, コメント待って",
        "share": "シェアして, シェアお願い, =シェア, 友達に送って",
        "save": "保存して, 保存してね, 保存推奨, 保存必須, =保存",
        "subscribe": "チャンネル登録, 登録お願い, 今すぐ登録",
        "link": "リンクはプロフィール, プロフィールのリンク, プロフのリンク, リンクはこちら, "
        "概要欄, 詳しくはプロフィール, ここをクリック",
        "buy": "今すぐ購入, 今すぐ注文, 今すぐ入手, チケットを購入, ご購入は, 予約はこちら",
        "download": "今すぐダウンロード, 今すぐインストール, アプリをダウンロード, =ダウンロード",
        "sign_up": "今すぐお申し込み, お申し込みはこちら, 登録はこちら, 今すぐ参加",
        "learn_more": "詳しくはこちら, 詳細はこちら, もっと見る, チェックしてね, チェックして",
        "watch": "最後まで見て, 最後までご覧, 続きはこちら, エピソードを見る",
        "contact": "お問い合わせ, dmください, dmして, ご連絡ください",
    },
    "zh": {
        "follow": "关注我, 点关注, 点个关注, 点点关注, 求关注, 加关注, 记得关注, 關注我, 點關注, 追蹤我, =关注, =關注",
        "like": "点赞, 点个赞, 求赞, 双击屏幕, 双击, 點讚, 點個讚, 按讚",
        "comment": "评论区, 留言告诉, 欢迎留言, 评论告诉, 留言區, 歡迎留言, =评论, =留言",
        "share": "分享给, 帮忙转发, 转发给, 分享給, =分享, =转发, =轉發",
        "save": "点收藏, 记得收藏, 先收藏, 收藏起来, =收藏, 收藏起來",
        "subscribe": "立即订阅, 订阅我, 订阅频道, =订阅, 訂閱",
        "link": "主页链接, 简介链接, 链接在, 点击链接, 点击这里, 連結在, 點擊連結, 戳链接",
        "buy": "立即购买, 立即订购, 马上购买, 立即下单, 点击购买, 小黄车, 买票, 立即購買, 立即訂購, 立即抢购, 购物车",
        "download": "立即下载, 立即安装, 下载app, 马上下载, 立即下載, 立即安裝",
        "sign_up": "立即申请, 立即注册, 立即报名, 立即加入, 立即註冊, 立即報名",
        "learn_more": "了解详情, 了解更多, 查看更多, 點擊了解, 了解詳情",
        "watch": "看到最后, 看到最後, 一定要看完, 观看剧集",
        "contact": "联系我们, 私信我, 加微信, 聯絡我們, 私訊我, 联系我",
    },
}
"""Language, kind, phrases; accents left out."""

_BREAK = re.compile(
    r"[.!?,;:|/&+()\n\u2022\u3001\u3002\uff01\uff0c\uff1f\u2013\u2014]+| - | (?:and|und|y|e|et|en|then|dann) "
)
_FILLER = re.compile(r"^(?:please|pls|bitte|por favor|please do|now|jetzt)\s+|\s+(?:please|pls|bitte|now|jetzt)$")
_COMPACT_FROM = 9
"""Shortest phrase, in letters, that is found too where text recognition has lost the spaces."""


@dataclass(frozen=True)
class Call:
    """One call to action found in a text.

    Attributes:
        kind: What the viewer is asked to do.
        language: Whose list the phrase is in (ISO 639-1); the text around may be in another.
        phrase: As it stands in the list.
    """

    kind: CallKind
    language: str
    phrase: str


def find_calls(text: str) -> list[Call]:
    """The calls in a text, at most one of each kind; the first language that has one names it."""
    plain = plain_text(text)
    found: dict[CallKind, Call] = {}
    if not plain:
        return []
    clauses = {clause for part in _BREAK.split(_folded(text)) for clause in _bare(part)}
    words = f" {plain} "
    compact = plain.replace(" ", "")
    for language, kind, phrase, alone in _listed():
        if kind in found:
            continue
        if alone:
            hit = phrase in clauses
        elif phrase.isascii():
            hit = f" {phrase} " in words or (len(phrase) >= _COMPACT_FROM and phrase.replace(" ", "") in compact)
        else:
            hit = phrase in compact
        if hit:
            found[kind] = Call(kind, language, phrase)
    return list(found.values())


def plain_text(text: str) -> str:
    """Lower case, no accents, one space between words, nothing but letters, digits and ``@``."""
    return " ".join(re.sub(r"[^\w@]+", " ", _folded(text)).replace("_", " ").split())


def _folded(text: str) -> str:
    """Lower case without accents; kana keep their sound marks."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(c for c in letters if not ("\u0300" <= c <= "\u036f"))
    return unicodedata.normalize("NFC", kept)


def _bare(clause: str) -> Iterator[str]:
    """The clause without signs, as it is and without "please" and "now"."""
    bare = " ".join(re.sub(r"[^\w]+", " ", clause).split())
    yield bare
    yield _FILLER.sub("", bare)


def _listed() -> Iterator[tuple[str, CallKind, str, bool]]:
    for language, kinds in PHRASES.items():
        for kind, phrases in kinds.items():
            for phrase in phrases.split(","):
                name = phrase.strip()
                yield language, kind, name.removeprefix(ALONE), name.startswith(ALONE)
