/* tests/backend/oauth_tokens.h - tokens that PyJWT 2.6 has signed with keys of its own, or that were bent by hand, and the set of the public
 * keys. They claim {"iss": "i", "aud": "a", "sub": "alice", "exp": 4102444800} */
#pragma once
#include "backend/oauth/jwt.h"

static const char key_set_text[] =
	"{\"keys\": [{\"kty\": \"RSA\", \"n\": "
	"\"xuDAt7MB_J4QIJYbbbC4YT1JqkWdR3ihLxsYhj6cstWfxvm-Vnw_xHIxM_Frweu6tsh4eSzbQJ4lbLf4xWyH3DRrp"
	"m1WPN4b65fvaPP6j2Di5w3j1J0nSn5FVhHlyhuzLPg18b0iPD-BL15XRSfwQolRnbUBB5A_rI6VHNSygqmkoO-uLJ5k-"
	"vIThE4pfgDCrsuln6hflrfMLFY8A"
	"0xlJ_fKwKvMMXDDtMBDlZYfymWAb6hNyP6EG3wHmmS9eAeYGK46mnQox_udQU-UdaVrwqfFHs3AprX37EopYXeaedZopHgFq0wclGXeY-"
	"MQgQ9aa-p-fgF_g"
	"xO6mXGFx1S_Ow\", \"e\": \"AQAB\", \"kid\": \"rsa\"}, {\"kty\": \"RSA\", \"n\": "
	"\"sYvzrXMZsDw40JRjPNg7x4SY7Qn8_gEnyaGfgpeST4YNGhMwJhe3tLz"
	"rrd36M1HqToh2NP7ZlCUAfInFFGEHxMeXW1zsOwt3lrsnxb70CZlIsgPxR19TlfyNJBShlMD69UcQ_"
	"Zg77Jp7JWdvR3AKP6x6iWUIRNJPNtLjKGHwaZM\", \""
	"e\": \"AQAB\", \"kid\": \"small\"}, {\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": "
	"\"6qMBO8qVxD_UYuTaTiNT90FoJwLoIDbBkT40BudSusY\", \"y\": \"vzI"
	"-z9BpZt9zqSA26njwY-rYrU0rVoaiQ_-g7j8lyV4\", \"kid\": \"p256\"}, {\"kty\": \"EC\", \"crv\": \"P-384\", \"x\": "
	"\"faiYwuQvHGXlEimJfM3auRwup"
	"Br_Lq9n4KkDD4phPB25ciY44chlg-1Kz016YuS5\", \"y\": "
	"\"pvsyU6gu_xi-fOGgyYBlQ22riN4pv8qCNP1ZdaEfyUYOBKWxw67PIYo34wpSDjgC\", \"kid\""
	": \"p384\"}, {\"kty\": \"EC\", \"crv\": \"P-521\", \"x\": "
	"\"AYPTAz10wtQNG8j1W2YrLi4DThpgJg_08uTq_2Hp40hvoK94yZVgHE6WRdoY237xj6UENFjD-"
	"kakE3OWnOwNvBrh\", \"y\": "
	"\"AN-Logr2qYCCUnaBx2XQ_qeH_cJSRlEdyDl_LDEVp2i8EuVyLdxnA6pJt28gfwey_2p_w_bN81Pi1-g8HWANDN4e\", \"kid\""
	": \"p521\"}, {\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"E0FwSAT0U_oxIfVLFuZT8UwLB26_uCK7QmbdA-gzHW4\", "
	"\"kid\": \"ed25519\"}, {\"kty"
	"\": \"OKP\", \"crv\": \"Ed448\", \"x\": "
	"\"RHpqaxx6FIS0QgTrCsRiQJhgzD757JumjptLOsPmqLGcRPEBU2Ug_Tu8DD9t6IO33syqyoNzajiA\", \"kid\": \"e"
	"d448\"}, {\"kty\": \"oct\", \"kid\": \"oct\", \"k\": "
	"\"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0\"}]}";

enum { RIGHT = JWT_RIGHT, WRONG = JWT_WRONG, NO_KEY = JWT_NO_KEY, REFUSED = -1 };

static const struct {
	const char *what;
	int verdict;
	const char *token;
} tokens[] = {
	{"RS256, rsa", RIGHT,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODA"
	 "wfQ.Pt0ZinONEDQIGWrM4pIFOBsxP7wYtGpKq0hFAhJZta_YG9Sv1HyMLpUa8Q7DX2I-"
	 "CFVdMwJoZgZhxQIWejrI9DdyMI1HdINiP9KiXsYzd0equlVgdNX4"
	 "Aon90_MLdiGQyWEz9rSOXwlpRbjGxM_L2QjRWKA9GGl8LAPdzqwDMr2q9v2W-tguAPsDcOyRJd1AwJy2BJtVSGfLqelafL61PmsnZXX_"
	 "keVk76YS5x9-jiSI"
	 "TNDjOt9aOXnVJvCopmPljL5iQUy6f4P4uiOmDwfSXIH3KzHZWz1Y-zTyaXoYvRe1SJsjV5CU5SYzcJ5Zphyue1cekHwox7Men54Fs7X3Gw"},
	{"RS384, rsa", RIGHT,
	 "eyJhbGciOiJSUzM4NCIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODA"
	 "wfQ.Hzt8LJVZFf3zwte-BHiPzHZafWupO__41CUnYrYX5YIlzsMqiweOezb51xJFmH5M8jWNQC1IWOx_kNEfEN82W7iJXo1DFN22cn_"
	 "Y2IAND_O3pgWOttLc"
	 "IhEba5GDL3HQ9VYceE16I0KgzSqUD5hnsxFgph3kwxUzjzBAZ6CTUmlc5obQMxzX5qF0x14_"
	 "sOzdCs1WXMiO5wp24THMi19lS6XPklli41VvVTIEtQ-dXi1R"
	 "HBjLYCv7hDT-5yXu0LnApVEHrNAv_7-Fk2RTW7lOAz7B-bnms3Y6KM9iynbsqSAanfPalDYkSAfJwTTyqIlr_-dHfaaqW3okc0HTQ_0x5A"},
	{"RS512, rsa", RIGHT,
	 "eyJhbGciOiJSUzUxMiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODA"
	 "wfQ.IMBksChynegw5tXUsjRSBmo4ezoVEPYM2DM0RT9MleDW7h1ELoBFc0eZNwWMAWJRFv_CgR6wioGvcV4FGJJ4lDW8-2AaLNOOhg45_o_"
	 "WCtaHngZp_tVK"
	 "vRS9M38Tj0Qezv01cOXTH4mGztuHuT5FrQC7e6pzI0D9GDSsA9mlPwEZUjZn7RcTr3YKEMF0mML4fRqnggkK4afnywaTEggoltsYTi-"
	 "72Z0vNo5KQTw1SxNI"
	 "QfIF4w0a1c_902WQxpKP400jCf59qpdxok_grpephpXTzW-FAoYIm1epXUpKQFMPin6e-rjBll6Kt0TtHUFa4e3Wkhpo-2nOLO0ZL9F1uw"},
	{"PS256, rsa", RIGHT,
	 "eyJhbGciOiJQUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODA"
	 "wfQ.u84T18G_m8uwlFu2QXL51TLr2g_wAqHND6PLFB8ysBKM9hLBOWQYaCLbzrI_fhHh0rIS8ODvTckFOTeIhvtBmYI0-qwAXHpwOlEDj-e_"
	 "vuF9mak0bB-L"
	 "PLWe35FOdOAH96NFrChHwE0nY2nhFSkisp1q9kQLLihwgASbjIUqWXoqBFh0mRIZoDtDvIP9_wH_8ZP82XmxQlNHU50ABZLylrjCecIMb-"
	 "yW65CLcBgcfZva"
	 "556qP2YWAE7FJwABXI4LDNf2HFYaNAtT6LSGPlIpwT1FhEKmrGiYC_bHDjXzl5M10K4lihOOiFEMdBnQPwTfX2vwl3IoPA1Z7h2CSgZLkQ"},
	{"PS384, rsa", RIGHT,
	 "eyJhbGciOiJQUzM4NCIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODA"
	 "wfQ.k2LKERq7UzVMi2l72XgcDDFw30owl2aG7I3eeWRupgqU7x_bqxMm70wQwZvj61j4pvF_D_"
	 "Xl65Nb5xmLazuAnhp6GkqKGys2SIynoZ17HCu7jBwmWrFA"
	 "1CltpkC4SpSap9St0ov6Uqz1A-2BFl63gyZXsIbfrNP4MJ2qd8LQf6L_ToOsx6mFQshPp0AC7-m8ArWjajf_u7R_"
	 "8mC5eLSJXSdvWP8xCW3rXHtRs8ydDijM"
	 "WtJN7NT9AnQUONW9MXKOryWoLWRo7KB4CwKpO9ZwZm0L9UoJzlzHg6ivsUfoRAFM7vgEaOOyaPxTxugNlpr682WPLxTlCNlZxrDxF4V3UA"},
	{"PS512, rsa", RIGHT,
	 "eyJhbGciOiJQUzUxMiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODA"
	 "wfQ.naJL_Igwya9h-qsu4kHi-P2077SZG6zLC7DzVYAcGo2JDs4d9yijmAAijiFSGurY7zN52EJCmggdYgaVcYQzsSwGMrBLQGV5L9U3iAeS-"
	 "Myh9YBXSEto"
	 "304elWD94QUF2NCohMwlVbPdxvIZBIrhwAl3rv2KVXp5A_7hOIp_baMhVO-1NeA4CVYhJs6_"
	 "CObXGsEFWpgyuLvdedhCHDptMI0p7NnjBTx8EgMJo4WD3ieI"
	 "Q7ZCz2nbVHmBsdNhTpqeRG_JtoadUaRX5bfc2ZNO5sLKdJJz9XVoO3dSjSieXhYm0DJUVCOOKV0nlegns0RjZN9vZ9l2bCZT1bk5FftUnw"},
	{"ES256, p256", RIGHT,
	 "eyJhbGciOiJFUzI1NiIsImtpZCI6InAyNTYiLCJ0eXAiOiJKV1QifQ."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0O"
	 "DAwfQ.G7Ua4Ba4CJ5w87E4JLAg-XmRdx6hASBnFFWZkmwDmFPHhLl-D2o8W2KGNw0obkvO0nqaKOac-v1Kt3cDnY0kFA"},
	{"ES384, p384", RIGHT,
	 "eyJhbGciOiJFUzM4NCIsImtpZCI6InAzODQiLCJ0eXAiOiJKV1QifQ."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0O"
	 "DAwfQ.SwpmPqGIYnY8r_b2B0WhUqWEtWL84ueKxLV_AbTFHqspq_rjAl_FrDvy6DDdSircjL6MaTFtxH_"
	 "cADiecufgPjaj9rSg2FDmbRgG1Dy8dY_rRvKbES"
	 "9MigbLmQ1NGOxz"},
	{"ES512, p521", RIGHT,
	 "eyJhbGciOiJFUzUxMiIsImtpZCI6InA1MjEiLCJ0eXAiOiJKV1QifQ."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0O"
	 "DAwfQ.AB0qMI1jmoBsVcf3LSQQvYhCgr_K3egA3MYr9QnBzUU31TLS9ZHz50xvG84Z00vSJAbR2ZlNPWYcYgXmLz5hN3k7AcK9-"
	 "RVPsBryzkEnCT77VOmsnR"
	 "Li6xortLyB59rsJXmrrce56Yk-ITfZ3NRV9Xlc5Tp_DyDmGCnxd9QaSx44FpHB"},
	{"EdDSA, ed25519", RIGHT,
	 "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkMjU1MTkiLCJ0eXAiOiJKV1QifQ."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyN"
	 "DQ0ODAwfQ.HAiuS84RAj4DSgCMwELEMhX_8AHPrMHqy_nmtdtxgg6QoIiToUmQWWr5b6lkGxkjbTOXr9GMHNsRQzJqifKpAA"},
	{"EdDSA, ed448", RIGHT,
	 "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkNDQ4IiwidHlwIjoiSldUIn0."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0"
	 "ODAwfQ.T6mu4eUeacFeTD9M6jVukK24JGnqtuWsavvjsPKjA-pcKWIJp8L0ECqfoBAbHq_Vn-VKY6gF46KAdTtWSGnUnSpxOy6iUrlggrp_"
	 "EChcI3TjOC3rt"
	 "E5t2dFatY5uxt_GVmLWugkOxydrPa3XFj0ZrB0A"},
	{"no kid", RIGHT,
	 "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
	 "CuCHQfZ5Tw3B"
	 "VZatn3EesV9tu2kThuEWXWrRFpSZW0HzZ1AkiQ8km5cUXppCcf8bGyyK8PRI9nzloETjNpJJoswq74GEulrz6beA_6Uisd6UkwgcDbg_"
	 "Pd5lw_frhMCNBw2R"
	 "KnJzsQoOM9ymxUB70jUfQfrrgSHMS4GXpDp4QusAhGiimQU-"
	 "mKSETgJ7qECz1zerFWlkYZRhXW8UfJlaAWZ1GOibkLuuwLWknrUTGDEyN8clhbU-srz3WezT"
	 "8Sz_YNf8NRTvEOufBvFijyTV51RcL9V4G9P5QCVjcC7WKHlxQYfiXFxN-fVieaEIWoihqA0OvJCynqjjJo6X1IQBBw"},
	{"at+jwt", RIGHT,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6ImF0K0pXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ"
	 "0ODAwfQ.KDfizy16quMHrktLY5Q5Gp1LEgox9ozGY0d62a2-Xdxopn1LAE4n6z6-Od_AbL-"
	 "fN9GC25yzdicaoVrFFUShH2MqevYGw50pU1dQX4py0e5FKDth"
	 "WQ-yXrGCQocz2F-WjZXYWAY5wuLejtYD7d7gi6lfWiOlwMbIwOdEa73nVjRzrojsx0tWXDvF7qgtobtt9rJYP9ZPd1FFdTov76U2cvXh-"
	 "MfI8kEHjD83K8o_"
	 "5M6jOyBGtBt6p-xbc5u05LiLQjtacDDAXXYBoA4eNFvy4XAdgCMQc8J7XmE-"
	 "DlCHtLO5aoAOMSm39rNmiOPYvhT2c4c9B07OqhTBgLzjJr6S2Q"},
	{"another key's name", WRONG,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODA"
	 "wfQ.CeCdNWgcSHwyzNB2jZ9CVi0r-YZS0Us5QPEGWgSIy496St57tGr3eU_aTaEL5zCJfHU9gwEuDoU-"
	 "RP5RF3kRpZR76LGJPW8RIJRIKSlr0lBvO9Vl_vjz"
	 "gIbBs7CIyHA_a3Z0ACVCjV4rhO0mDuKXJkQ7tw43sQWu9ORsAxGTKszvXiW5bhKn-"
	 "hejQHtIbtomr1TCloIbebWCVctEZjPNSoT6EiSdDAn3nv2P0HCNlMjc"
	 "l72pqiwZ-fIcWIFeVD7g9w6SKXkG6SCcm5k8Sa1o87ZimrRvEGXXaO5nJbhaeJrEpbAh9t49IryeB6bDvasSutQFRfxKsoSB6YsEYM5Ktw"},
	{"another key, no kid", WRONG,
	 "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
	 "BgBK4FCkz2Ss"
	 "I_pMuZZrSqtlC7Ch6LOmA8kXZJSitRCpEb6HZ7YsarJQOoJb3lNdeKc1d1VVRcXNiQMAFueV8w"},
	{"unknown kid", NO_KEY,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6Im5ldyIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODA"
	 "wfQ.qckyfbjtRxUBSQTZBbYfZUYe-CCNRd7cdfj8p_ZT5Z2bx_taHig4IEV1L_rebLJIw8AftRLfkhu6MRwWwL9f8X4K-"
	 "nE0hLaov85it5p02tksGej4Dg4I"
	 "BA0dMDcFSi1cTDTmJXCAQiaM1jq2ShhiNHIum0202PSrr0W60YnRjSeggOBb7gIRJoQGUbnK2adnjQHnHZgZSBU4k6ZE4rwoWmsRw3eMGbxZ5"
	 "6jq2P6exFgc"
	 "uEVtW2ms_0Z0cgQhXN66u4y2j0vtg3xsWvxONVTl_2vze2Xoek57rF4Fq9MnIuq5HkXQRkPIG2ex2YI9VNQXxk2N6R_AZaDUl8MhYozS_A"},
	{"a key of another type", NO_KEY,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InAyNTYiLCJ0eXAiOiJKV1QifQ."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0O"
	 "DAwfQ.CvbGtRqMSzejYwolfvs92I6elWddCic6FbpE2DypzADyiylVhAwiLI10DN44sfhClf-zWcPEkuNJcztfDfUsQ6BJM8r-6c-c_"
	 "N4pQL9TA7VI91w9-E"
	 "Y04rzWybRWLEGc_Vi5HCOSPXmviHbmWpW8Gv4qz4_JUsY90_q2aadlh4a0YFskbBtU8kMHgJU2_"
	 "e5EeBVqWDhG5LJvnvX7PzPTJscY8aNiJjuK8UEqxj5W7c"
	 "9YuA1SYmBV67O7q2x9LUqT3EcHQAVciEn3RZespZwapDaGIh1x0VYXUc93-YBfcgO6vbpo2MJ6fLGD4-_"
	 "Gynyiw2j5jHs3e5BsHu5mILLxeQ"},
	{"a key that is too small", NO_KEY,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InNtYWxsIiwidHlwIjoiSldUIn0."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0"
	 "ODAwfQ.WGFSvaJheS-azu1Ur7s2bKC2ipitaLAnei8kukRp-"
	 "isV9yDzTIpdV0T67piWReyghzq6oT3bS05QMQD6VEMdR7iqKWI82pXwrbNW0IVTJ-RPhExW9"
	 "gCROX0esSW6S2a9_EPrB78s9ZiEKex4RqJyeNpPRBOFiHiA9NSVfCyZKlM"},
	{"another curve", NO_KEY,
	 "eyJhbGciOiJFUzI1NiIsImtpZCI6InAzODQiLCJ0eXAiOiJKV1QifQ."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0O"
	 "DAwfQ.1e7pumagyzhGWwMwUqcSB3wdPGP8V4kk7-NS9HORpiMsZviO5Pq5zOC0x5nzAHgqrRVc0n_Norpst63NWdfRiA"},
	{"other claims", WRONG,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiAiaSIsICJhdWQiOiAiYSIsICJzdWIiOiAibWFsbG9yeSIsICJleHAiOiA"
	 "0MTAyNDQ0ODAwfQ.Pt0ZinONEDQIGWrM4pIFOBsxP7wYtGpKq0hFAhJZta_YG9Sv1HyMLpUa8Q7DX2I-"
	 "CFVdMwJoZgZhxQIWejrI9DdyMI1HdINiP9KiXsYz"
	 "d0equlVgdNX4Aon90_MLdiGQyWEz9rSOXwlpRbjGxM_L2QjRWKA9GGl8LAPdzqwDMr2q9v2W-"
	 "tguAPsDcOyRJd1AwJy2BJtVSGfLqelafL61PmsnZXX_keVk"
	 "76YS5x9-jiSITNDjOt9aOXnVJvCopmPljL5iQUy6f4P4uiOmDwfSXIH3KzHZWz1Y-"
	 "zTyaXoYvRe1SJsjV5CU5SYzcJ5Zphyue1cekHwox7Men54Fs7X3Gw"},
	{"another algorithm of the key", WRONG,
	 "eyJhbGciOiAiUFMyNTYiLCAia2lkIjogInJzYSJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.Pt0ZinON"
	 "EDQIGWrM4pIFOBsxP7wYtGpKq0hFAhJZta_YG9Sv1HyMLpUa8Q7DX2I-"
	 "CFVdMwJoZgZhxQIWejrI9DdyMI1HdINiP9KiXsYzd0equlVgdNX4Aon90_MLdiGQ"
	 "yWEz9rSOXwlpRbjGxM_L2QjRWKA9GGl8LAPdzqwDMr2q9v2W-tguAPsDcOyRJd1AwJy2BJtVSGfLqelafL61PmsnZXX_keVk76YS5x9-"
	 "jiSITNDjOt9aOXnV"
	 "JvCopmPljL5iQUy6f4P4uiOmDwfSXIH3KzHZWz1Y-zTyaXoYvRe1SJsjV5CU5SYzcJ5Zphyue1cekHwox7Men54Fs7X3Gw"},
	{"cut signature", WRONG,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODA"
	 "wfQ.Pt0ZinONEDQIGWrM4pIFOBsxP7wYtGpKq0hFAhJZta_YG9Sv1HyMLpUa8Q7DX2I-"
	 "CFVdMwJoZgZhxQIWejrI9DdyMI1HdINiP9KiXsYzd0equlVgdNX4"
	 "Aon90_MLdiGQyWEz9rSOXwlpRbjGxM_L2QjRWKA9GGl8LAPdzqwDMr2q9v2W-tguAPsDcOyRJd1AwJy2BJtVSGfLqelafL61PmsnZXX_"
	 "keVk76YS5x9-jiSI"
	 "TNDjOt9aOXnVJvCopmPljL5iQUy6f4P4uiOmDwfSXIH3KzHZWz1Y-zTyaXoYvRe1SJsjV5CU5SYzcJ5Zphyue1cekHwox7Men54F"},
	{"ECDSA: zeros", WRONG,
	 "eyJhbGciOiJFUzI1NiIsImtpZCI6InAyNTYiLCJ0eXAiOiJKV1QifQ."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0O"
	 "DAwfQ.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
	{"ECDSA: DER", WRONG,
	 "eyJhbGciOiJFUzI1NiIsImtpZCI6InAyNTYiLCJ0eXAiOiJKV1QifQ."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0O"
	 "DAwfQ.MEYCIQD0SjA3hs9SONsfL_5FAqhXl7E7UMxR3Qaj85bXTiagVQIhAIFW2Kgbd-CxvB_xz03DHkoeGXd6L-mRj4cx9agEZvLJ"},
	{"EdDSA: longer", WRONG,
	 "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkMjU1MTkiLCJ0eXAiOiJKV1QifQ."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyN"
	 "DQ0ODAwfQ.HAiuS84RAj4DSgCMwELEMhX_8AHPrMHqy_nmtdtxgg6QoIiToUmQWWr5b6lkGxkjbTOXr9GMHNsRQzJqifKpAAAAAA"},
	{"none", REFUSED,
	 "eyJhbGciOiAibm9uZSJ9.eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.AAAA"},
	{"none, no signature", REFUSED,
	 "eyJhbGciOiAibm9uZSJ9.eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ."},
	{"None", REFUSED,
	 "eyJhbGciOiAiTm9uZSJ9.eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.AAAA"},
	{"HMAC with the public key", REFUSED,
	 "eyJhbGciOiAiSFMyNTYiLCAia2lkIjogInJzYSJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.tiw5Ujvq"
	 "BeXR9-rPIZQ8U8g8xsTilQ9G75qdRCWIrkQ"},
	{"HMAC with a key of the set", REFUSED,
	 "eyJhbGciOiAiSFMyNTYiLCAia2lkIjogIm9jdCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.pTseviEK"
	 "vcj3KFdaXaQuS_rXty395bHH6bL7VmIImbQ"},
	{"no alg", REFUSED,
	 "eyJraWQiOiAicnNhIn0.eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.AAAA"},
	{"alg a number", REFUSED,
	 "eyJhbGciOiAxfQ.eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.AAAA"},
	{"rs256", REFUSED,
	 "eyJhbGciOiAicnMyNTYifQ.eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ.AAAA"},
	{"kid a number", REFUSED,
	 "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogMX0.eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
	 "AAAA"},
	{"crit", REFUSED,
	 "eyJhbGciOiJSUzI1NiIsImNyaXQiOlsieCJdLCJraWQiOiJyc2EiLCJ0eXAiOiJKV1QiLCJ4IjoxfQ."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsa"
	 "WNlIiwiZXhwIjo0MTAyNDQ0ODAwfQ."
	 "vxFDHwhgnnejlQPujDi48a1mfWQLHAUx7NPMdgzs1A0BTo5Uj3zMi5eDzEidK6tdIemSO7DrzDf8fVizB-sE-F0VyA"
	 "jzHcjV9EDM0lTBKJ8AaOeko_KZeJP9oWA7rLl5MODJ8QEGzbrK5-P8FWbizQK10dV3MYOZmh6y6Tuyxb_4V52eLvP3mmLG-vlW6wY_"
	 "xXRqr9i_kSc9n0TePj"
	 "IHclw6XUcdFG_AMs5fxDApnocvH4b3B48Nas1Sdmo4pj5j2N0nnc81leqnq3MZfomLWlvGanKbYDUfaodokUS68U__"
	 "Lqf5sLL6Et3XDB9s355pR2K_3DJizk"
	 "wfkiCxQyu71A"},
	{"typ", REFUSED,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6ImRwb3Arand0In0."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAy"
	 "NDQ0ODAwfQ.Tcf2w1hNHsuyjfESCV9Yf2RzQzWA-8U_vKnom7dSLEpL0VGgGt0aMMvC3CcXrpcI8D-20ies_"
	 "fKT7HSXGAt0VVL7tpMT2wF3T9Un7TtWWW8Ul"
	 "ia1pQemggCapzeffLVcgqB67_O5sIUuVj3nk9vQsveyFq15Iqor04tax0SQcNCPUw-Wx2JH8ggVbuU6Ofee_"
	 "z0HOKYAYOpBCSvCPoC6dY9hQJdLYKjaQ2ALx"
	 "j7VL9T5VsB0LeBT_z6uwom-oYa_Pcw9VX5W9NR8GlAM_ZlWHtBzjg-SJKNMUOVnlBwA83anA0SNyhqxYX3nIGESclOlb74CTSELDU5FGDGX-"
	 "ExnCw"},
	{"two alg", REFUSED,
	 "eyJhbGciOiJSUzI1NiIsImFsZyI6IlJTMjU2Iiwia2lkIjoicnNhIn0."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0"
	 "ODAwfQ.Pt0ZinONEDQIGWrM4pIFOBsxP7wYtGpKq0hFAhJZta_YG9Sv1HyMLpUa8Q7DX2I-"
	 "CFVdMwJoZgZhxQIWejrI9DdyMI1HdINiP9KiXsYzd0equlVgd"
	 "NX4Aon90_MLdiGQyWEz9rSOXwlpRbjGxM_L2QjRWKA9GGl8LAPdzqwDMr2q9v2W-tguAPsDcOyRJd1AwJy2BJtVSGfLqelafL61PmsnZXX_"
	 "keVk76YS5x9-j"
	 "iSITNDjOt9aOXnVJvCopmPljL5iQUy6f4P4uiOmDwfSXIH3KzHZWz1Y-"
	 "zTyaXoYvRe1SJsjV5CU5SYzcJ5Zphyue1cekHwox7Men54Fs7X3Gw"},
	{"claims a list", REFUSED,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.W10.OpAYnqYHU7shwE99dlIbHACd9ZqJHMajXl7cf4evCAK_XDY-"
	 "pOOgdUWPh4TQX7W"
	 "ECzLixO2WrzAnKgJt59DybxTZW1kjKESsVoA24JO3vy-TztLs27D2C_eArAATUAlpzD4aToXt-"
	 "oOdOtK1PRvEuc4tf74dA9iAaHTU2oz4cPvGBiRHjCJmW3Q"
	 "hEGJsDIMcMmBMnyIlaUeBcX31Gqhz8Ii7PWb2yWHwsXfB4vKuJ-fnyeVxy8oI8wbCQKxREeZ6eAMetjGZa0O9fhPc99q_eLeEDG1ml_"
	 "oxLeZAQdSXRynMphK"
	 "oCZoafAxX1ppWdDs1ByrveHW883n_YHYP7K0AZA"},
	{"two parts", REFUSED,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODA"
	 "wfQ"},
	{"four parts", REFUSED,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODA"
	 "wfQ.Pt0ZinONEDQIGWrM4pIFOBsxP7wYtGpKq0hFAhJZta_YG9Sv1HyMLpUa8Q7DX2I-"
	 "CFVdMwJoZgZhxQIWejrI9DdyMI1HdINiP9KiXsYzd0equlVgdNX4"
	 "Aon90_MLdiGQyWEz9rSOXwlpRbjGxM_L2QjRWKA9GGl8LAPdzqwDMr2q9v2W-tguAPsDcOyRJd1AwJy2BJtVSGfLqelafL61PmsnZXX_"
	 "keVk76YS5x9-jiSI"
	 "TNDjOt9aOXnVJvCopmPljL5iQUy6f4P4uiOmDwfSXIH3KzHZWz1Y-zTyaXoYvRe1SJsjV5CU5SYzcJ5Zphyue1cekHwox7Men54Fs7X3Gw."
	 "Pt0ZinONEDQIG"
	 "WrM4pIFOBsxP7wYtGpKq0hFAhJZta_YG9Sv1HyMLpUa8Q7DX2I-CFVdMwJoZgZhxQIWejrI9DdyMI1HdINiP9KiXsYzd0equlVgdNX4Aon90_"
	 "MLdiGQyWEz9"
	 "rSOXwlpRbjGxM_L2QjRWKA9GGl8LAPdzqwDMr2q9v2W-tguAPsDcOyRJd1AwJy2BJtVSGfLqelafL61PmsnZXX_keVk76YS5x9-"
	 "jiSITNDjOt9aOXnVJvCop"
	 "mPljL5iQUy6f4P4uiOmDwfSXIH3KzHZWz1Y-zTyaXoYvRe1SJsjV5CU5SYzcJ5Zphyue1cekHwox7Men54Fs7X3Gw"},
	{"five parts", REFUSED,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0OD"
	 "AwfQ.Pt0ZinONEDQIGWrM4pIFOBsxP7wYtGpKq0hFAhJZta_YG9Sv1HyMLpUa8Q7DX2I-"
	 "CFVdMwJoZgZhxQIWejrI9DdyMI1HdINiP9KiXsYzd0equlVgdNX"
	 "4Aon90_MLdiGQyWEz9rSOXwlpRbjGxM_L2QjRWKA9GGl8LAPdzqwDMr2q9v2W-tguAPsDcOyRJd1AwJy2BJtVSGfLqelafL61PmsnZXX_"
	 "keVk76YS5x9-jiS"
	 "ITNDjOt9aOXnVJvCopmPljL5iQUy6f4P4uiOmDwfSXIH3KzHZWz1Y-zTyaXoYvRe1SJsjV5CU5SYzcJ5Zphyue1cekHwox7Men54Fs7X3Gw."
	 "Pt0ZinONEDQI"
	 "GWrM4pIFOBsxP7wYtGpKq0hFAhJZta_YG9Sv1HyMLpUa8Q7DX2I-"
	 "CFVdMwJoZgZhxQIWejrI9DdyMI1HdINiP9KiXsYzd0equlVgdNX4Aon90_MLdiGQyWEz"
	 "9rSOXwlpRbjGxM_L2QjRWKA9GGl8LAPdzqwDMr2q9v2W-tguAPsDcOyRJd1AwJy2BJtVSGfLqelafL61PmsnZXX_keVk76YS5x9-"
	 "jiSITNDjOt9aOXnVJvCo"
	 "pmPljL5iQUy6f4P4uiOmDwfSXIH3KzHZWz1Y-zTyaXoYvRe1SJsjV5CU5SYzcJ5Zphyue1cekHwox7Men54Fs7X3Gw"},
	{"padding", REFUSED,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODA"
	 "wfQ.Pt0ZinONEDQIGWrM4pIFOBsxP7wYtGpKq0hFAhJZta_YG9Sv1HyMLpUa8Q7DX2I-"
	 "CFVdMwJoZgZhxQIWejrI9DdyMI1HdINiP9KiXsYzd0equlVgdNX4"
	 "Aon90_MLdiGQyWEz9rSOXwlpRbjGxM_L2QjRWKA9GGl8LAPdzqwDMr2q9v2W-tguAPsDcOyRJd1AwJy2BJtVSGfLqelafL61PmsnZXX_"
	 "keVk76YS5x9-jiSI"
	 "TNDjOt9aOXnVJvCopmPljL5iQUy6f4P4uiOmDwfSXIH3KzHZWz1Y-zTyaXoYvRe1SJsjV5CU5SYzcJ5Zphyue1cekHwox7Men54Fs7X3Gw="
	 "="},
	{"no signature", REFUSED,
	 "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9."
	 "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODA"
	 "wfQ."},
	{"empty", REFUSED, ""},
	{"opaque", REFUSED, "ya29.abc"},
};
